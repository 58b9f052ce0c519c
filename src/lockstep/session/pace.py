"""Keeps a replay from running faster than what it replays did."""

from typing import Final

from lockstep.host.clock import Clock, monotonic_ns

_SLICE_NS: Final = 10_000_000
_LONGEST_HOLD_S: Final = 3600.0
"""Threads cannot wait for as long as virtual time may jump."""


class Pace:
    """Virtual time may not run ahead of real time."""

    def __init__(self, shift: int, clock: Clock = monotonic_ns) -> None:
        self.slice: Final = _SLICE_NS >> shift
        """How many instructions to run before looking again."""
        self._clock = clock
        self._start_ns: int | None = None

    def hold_s(self, virtual_ns: int) -> float:
        """How long to wait, as virtual time is ahead; then ask again.

        Both clocks start at the first call.
        """
        passed = self._clock()
        if self._start_ns is None:
            self._start_ns = passed - virtual_ns
        return min((virtual_ns - (passed - self._start_ns)) / 1e9, _LONGEST_HOLD_S)
