"""Keeps a replay from running faster than what it replays did."""

from typing import Final

from lockstep.host.clock import Clock, monotonic_ns

_SLICE_NS: Final = 10_000_000


class Pace:
    """Virtual time may not run ahead of real time."""

    def __init__(self, shift: int, clock: Clock = monotonic_ns) -> None:
        self.slice: Final = _SLICE_NS >> shift
        """How many instructions to run before looking again."""
        self._clock = clock
        self._start_ns: int | None = None

    def ahead_ns(self, virtual_ns: int) -> int:
        """How far ahead virtual time is. Both clocks start at the first call."""
        passed = self._clock()
        if self._start_ns is None:
            self._start_ns = passed - virtual_ns
        return virtual_ns - (passed - self._start_ns)
