"""Keeps the guest's clock from running ahead of the host's: in a replay that is to take as long as
what it replays, and in a live session, where a guest that spins would see years go by.

Only where the vCPU thread sleeps depends on it, between two periods and without a lock. So the
guest cannot see it, and nothing of it is logged.
"""

from __future__ import annotations

from typing import Final, Literal

from lockstep.errors import UsageError
from lockstep.host.clock import Clock, monotonic_ns

_SLICE_NS: Final = 2_000_000
"""How far ahead virtual time may be at most, but for an instruction or two."""

_MOST_BEHIND_NS: Final = 20_000_000
"""What a live guest is behind beyond this it does not make up for: no timer goes off in a rush
after the host was busy or asleep. Less would be lost to the host's own scheduling."""

_LONGEST_HOLD_S: Final = 3600.0
"""Threads cannot wait for as long as virtual time may jump."""

Choice = Literal["real", "none"]


class Pace:
    """Virtual time may not run ahead of real time. With `most_behind_ns`, what it is behind beyond
    that is forgotten."""

    def __init__(
        self, shift: int, clock: Clock = monotonic_ns, most_behind_ns: int | None = None
    ) -> None:
        self.slice: Final = max(1, _SLICE_NS >> shift)
        """How many instructions to run before looking again."""
        self._clock = clock
        self._most_behind_ns = most_behind_ns
        self._start_ns: int | None = None

    def hold_s(self, virtual_ns: int) -> float:
        """How long to wait, as virtual time is ahead; then ask again.

        Both clocks start at the first call.
        """
        passed = self._clock()
        if self._start_ns is None:
            self._start_ns = passed - virtual_ns
        behind = passed - self._start_ns - virtual_ns
        if self._most_behind_ns is not None and behind > self._most_behind_ns:
            self._start_ns += behind - self._most_behind_ns
            behind = self._most_behind_ns
        return min(-behind / 1e9, _LONGEST_HOLD_S)


def live_pace(choice: str | None, *, idle: str, shift: int) -> Pace | None:
    """The pace of a live session: the one chosen, or that which goes with how it idles."""
    if choice is None:
        choice = "none" if idle == "skip" else "real"
    if choice not in ("real", "none"):
        raise UsageError(f"there is no pace {choice!r}", remedy="give real or none")
    return Pace(shift, most_behind_ns=_MOST_BEHIND_NS) if choice == "real" else None
