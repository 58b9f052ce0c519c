"""Output that is sent again comes out once."""

from __future__ import annotations

import errno

from lockstep.host.repeated import RepeatedOutput
from lockstep.host.serial import NullSerial


class Shown(NullSerial):
    """Keeps what is sent to it, and may lose the rest when it is closed."""

    def __init__(self, lost: OSError | None = None) -> None:
        self.data = b""
        self.lost = lost

    def emit(self, data: bytes) -> None:
        self.data += data

    def close(self) -> OSError | None:
        lost, self.lost = self.lost, None
        return lost


def test_what_an_earlier_run_sent_is_left_out() -> None:
    """However it is cut into pieces, and however far each run gets."""
    ends = [Shown(), Shown(), Shown()]
    waiting = iter(ends)
    output = RepeatedOutput(lambda: next(waiting))
    for run in ((b"one ", b"two"), (b"o",), (b"on", b"e tw", b"o thr", b"ee")):
        output.begin()
        for data in run:
            output.emit(data)
        output.close()
    assert [each.data for each in ends] == [b"one two", b"", b" three"]


def test_output_that_was_lost_in_any_run_is_told_at_the_end() -> None:
    """The next run does not send it again."""
    lost = OSError(errno.ENOSPC, "full")
    waiting = iter([Shown(lost), Shown()])
    output = RepeatedOutput(lambda: next(waiting))
    for _ in range(2):
        output.begin()
        output.emit(b"x")
        output.close()
    assert output.close() is lost
