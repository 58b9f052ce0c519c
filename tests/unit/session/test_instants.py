"""Instants as people write them."""

import pytest

from lockstep.det.instant import Icount
from lockstep.det.world import Arrival
from lockstep.errors import UsageError
from lockstep.replay.format import Manifest, arrival_event
from lockstep.replay.log import LogReader, LogWriter
from lockstep.session.instants import (
    Timeline,
    parse_instant,
    parse_live_moment,
    parse_moment,
    timeline,
)

END = Icount(2_000_000)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("1741896694", "instructions", 1_741_896_694),
        ("1_741_896_694", "instructions", 1_741_896_694),
        ("1,741,896,694", "instructions", 1_741_896_694),
        ("1.7G", "instructions", 1_700_000_000),
        ("300M", "instructions", 300_000_000),
        ("5k", "instructions", 5_000),
        ("5K", "instructions", 5_000),
        ("2T", "instructions", 2_000_000_000_000),
        ("0", "instructions", 0),
        ("12.5s", "ns", 12_500_000_000),
        ("12.5 s", "ns", 12_500_000_000),
        ("300ms", "ns", 300_000_000),
        ("5us", "ns", 5_000),
        ("5µs", "ns", 5_000),
        ("7ns", "ns", 7),
    ],
)
def test_what_is_understood_of_a_live_machine(text, unit, value):
    """Everything that is counted from the start."""
    moment = parse_live_moment(text, "--until")
    assert (moment.unit, moment.value) == (unit, value)


NO_INSTANTS = (
    "G 1.5 1.2345k 0.5ns 1,23 1,,234 12,345,6 _1 1_ 0x10 1e9 1m 1S 101% -5% 10T000 nan inf"
)


@pytest.mark.parametrize(
    "text",
    [*NO_INSTANTS.split(), "", "-", "9" * 31, "9" * 19, "1" + ",000" * 2000, "\u0661", "1\x00"],
)
def test_what_is_not_an_instant(text):
    """Whatever it is, it is the user's mistake, and said to be."""
    with pytest.raises(UsageError, match="--from"):
        parse_moment(text, "--from")


@pytest.mark.parametrize("text", ["99%", "-1000", "-2s"])
def test_a_live_machine_has_no_end_to_count_from(text):
    """That takes a recording."""
    with pytest.raises(UsageError, match="not known yet"):
        parse_live_moment(text, "--until")


@pytest.fixture
def log(tmp_path):
    """Two million instructions of 4 ns, with a warp of 10 ms in the middle and one of 1 ms."""
    yield from _recorded(tmp_path / "r.lockstep", "real")


@pytest.fixture
def skipping(tmp_path):
    """One whose waits were skipped."""
    yield from _recorded(tmp_path / "s.lockstep", "skip")


def _recorded(path, idle):
    writer = LogWriter(path, Manifest(machine={"shift": 2, "idle": idle}, digest_every=0))
    for at, ns in ((1_000_000, 10_000_000), (1_500_000, 1_000_000)):
        writer.append(Icount(at), arrival_event(Arrival("warp", ns.to_bytes(8, "little"))))
    writer.finish(END, 1.0, "poweroff")
    reader = LogReader(path)
    yield reader
    reader.close()


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1,234", 1_234),
        ("5M", 5_000_000),
        ("100%", 2_000_000),
        ("99.5%", 1_990_000),
        ("-1000", 1_999_000),
        ("-1.5M", 500_000),
        ("-5M", 0),
        ("0s", 0),
        ("1ms", 250_000),
        ("1001ns", 251),
        ("4ms", 1_000_000),
        ("4000001ns", 1_000_000),
        ("14ms", 1_000_000),
        ("14000001ns", 1_000_001),
        ("16ms", 1_500_000),
        ("17ms", 1_500_000),
        ("19ms", 2_000_000),
        ("20ms", 2_250_000),
        ("-1ms", 1_750_000),
        ("-1s", 0),
    ],
)
def test_instants_of_a_recording(log, text, instant):
    """From the end, and in virtual time, which warps."""
    assert parse_instant(text, "--until", log) == instant


def test_a_time_that_a_recording_does_not_tell(skipping):
    """Jumps to the next timer are not logged. All else can be said."""
    assert parse_instant("50%", "--until", skipping) == 1_000_000
    with pytest.raises(UsageError, match="virtual time"):
        parse_instant("5ms", "--until", skipping)


def test_time_and_instants_agree(log):
    """The first instant at which it is that time is not later than any other of that time."""
    when = timeline(log)
    for at in (0, 1, 999_999, 1_000_000, 1_000_001, 1_499_999, 1_500_000, 1_999_999, 2_000_000):
        assert when.reached(when.virtual_ns(Icount(at))) == at


def test_without_warps_time_is_a_multiple():
    """The rule without its exception."""
    when = Timeline(END, 3, ())
    assert when.virtual_ns(Icount(1000)) == 8000
    assert when.reached(8001) == 1001
