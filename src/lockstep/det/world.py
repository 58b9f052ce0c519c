"""The door: all that a machine can learn from outside, and all that it can tell.

Keep this module small. A device sees an `Outlet`, the loop that runs the machine sees a `World`,
and neither can tell a live world from a recorded or a replayed one.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from lockstep.det.instant import Icount
from lockstep.det.state import Digests


class Outlet(Protocol):
    """All that a device ever sees of the outside."""

    def ask(self, question: str, size: int) -> bytes:
        """An answer now, exactly `size` bytes: ("wall-clock", 8), ("entropy", n)."""

    def emit(self, data: bytes) -> None:
        """Output, such as console bytes. It cannot fail and cannot change what the guest sees."""


class Arrival(NamedTuple):
    """The outside acts on the machine. What `data` means is known to whoever owns the port."""

    port: str
    data: bytes


BREAK_PORT: Final = ".break"
"""Ends the name of the port at which the breaks of a serial port arrive."""


def line_break(port: str) -> Arrival:
    """The line of a serial port is held low for longer than a character: the receiver takes that
    for a character of zeros (PC16550D 8.6.3)."""
    return Arrival(port + BREAK_PORT, b"\0")


class World(Protocol):
    """All that the execution loop ever sees of the outside."""

    def outlet(self, port: str) -> Outlet:
        """The outlet of the device that is called `port`; the same one every time."""

    def horizon(self, now: Icount) -> Icount:
        """Run no further than this. If it is `now`: call `checkpoint` and `arrivals` again."""

    def arrivals(self, now: Icount) -> Sequence[Arrival]:
        """What takes effect at `now`, in order. Called as a period starts, under both locks."""

    def checkpoint(self, kind: str, now: Icount, digests: Callable[[], Digests]) -> None:
        """The machine has reached an instant of this kind; `digests` is called only if wanted.

        Kinds: machine-init, reset, warp, periodic, shutdown. Offer `periodic` before every period,
        ahead of `arrivals`: the world knows which of them are due.
        """
