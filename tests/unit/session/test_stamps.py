"""Instants in front of the console's lines."""

import pytest

from lockstep.session.instants import parse_moment
from lockstep.session.stamps import LineStamps


@pytest.mark.parametrize(
    "pieces", [[b"one\r\ntwo\n\nend"], [b"o", b"ne\r\n", b"two\n", b"\ne", b"nd"]]
)
def test_each_line_begins_with_the_instant_of_its_first_byte(pieces):
    """However many bytes come at once."""
    stamps = LineStamps(instants=True)
    emitted = bytearray()
    shown = b"".join(
        stamps.mark(piece, lambda: (1_234_567 + len(emitted), 4_938_268_000))
        for piece in pieces
        if emitted.extend(piece) is None
    )
    lines = shown.split(b"\n")
    assert [line.partition(b"] ")[2] for line in lines] == [b"one\r", b"two", b"", b"end"]
    assert lines[0].startswith(b"[    1,234,5")


def test_what_is_printed_can_be_typed_back():
    """The instant and the time."""
    shown = LineStamps(instants=True).mark(b"x", lambda: (1_741_896_694, 12_500_000_000))
    instant, time = shown.decode().strip("[").partition("]")[0].split()
    assert parse_moment(instant, "--until").value == 1_741_896_694
    assert parse_moment(time, "--until").value == 12_500_000_000


def test_without_instants_nothing_is_changed():
    """Until somebody turns the stamps on."""
    stamps = LineStamps()
    assert stamps.mark(b"one\ntwo", lambda: (1, 1)) == b"one\ntwo"
    stamps.on = True
    assert stamps.mark(b"\nx", lambda: (1, 1_500_000_000)) == b"\n[    1.500000] x"
