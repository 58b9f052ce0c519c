"""When the next periodic checkpoint is due: one rule for who writes, replays and checks a log.

They come every so many instructions. While nothing but the harts' own registers changes from one to
the next, the distance grows fourfold each time, up to `FURTHEST`: a guest that spins, however fast,
fills no disk. What changed, or arrives, makes it the plain one again. A stretched distance stands
in the checkpoint before it, so a checkpoint that is missing is missed.
"""

from __future__ import annotations

from typing import Final

from lockstep.det.instant import Icount

PERIODIC: Final = "periodic"
FURTHEST: Final = 1 << 40
"""Instructions. A guest that spins does some 2**39 a second when nobody holds it back, and eight
harts write 2 KB into each checkpoint."""
_GROWTH: Final = 4


class Periodic:
    """The schedule of a log whose manifest says `every` instructions; 0: there are none."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.due = Icount(every)

    def is_due(self, now: Icount) -> bool:
        """Whether one is to be taken at `now`."""
        return self.every > 0 and now >= self.due

    def taken(self, now: Icount, distance: int | None) -> None:
        """There was one at `now`, which says how far the next one is, or None."""
        if self.every:
            self.due = self._plain(now) if distance is None else Icount(now + distance)

    def arrived(self, now: Icount) -> None:
        """Something came from outside at `now`: the machine will do something new."""
        if self.every:
            self.due = min(self.due, self._plain(now))

    def _plain(self, now: Icount) -> Icount:
        return Icount(now - now % self.every + self.every)


class Stretching:
    """The recorder's part: how far the next one is to be."""

    def __init__(self, every: int) -> None:
        self._every = self._distance = every
        self._quiet: bytes | None = None

    def distance(self, quiet: bytes) -> int | None:
        """After a checkpoint at which all but the harts has this digest, b"" if something was put
        out before it; None for the plain one."""
        still, self._quiet = quiet == self._quiet and quiet != b"", quiet
        longer = self._distance * _GROWTH
        if not still:
            self._distance = self._every
        elif longer <= FURTHEST:
            self._distance = longer
        return None if self._distance == self._every else self._distance

    def arrived(self) -> None:
        """Something came from outside."""
        self._distance = self._every
