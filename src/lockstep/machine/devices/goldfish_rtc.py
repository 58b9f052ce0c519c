"""Goldfish's real-time clock: wall time in nanoseconds, and an alarm.

The only device that asks what time it is outside. An alarm is turned into a virtual deadline when
it is set, so that it goes off at a definite instruction.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from lockstep.det.instant import LATEST_NS
from lockstep.det.world import Outlet
from lockstep.machine.device import Device, IrqLine, VirtualClock, reads, writes

LOW = (1 << 32) - 1
MASK = (1 << 64) - 1


class GoldfishRtcState(msgspec.Struct, frozen=True):
    """`offset` is what the guest's setting of the clock adds to wall time."""

    offset: int = 0
    latched_high: int = 0
    alarm: int = 0
    irq_enabled: bool = False
    irq_pending: bool = False
    deadline_ns: int | None = None


class GoldfishRtc(Device):
    """Nanoseconds since 1970, latched by reading the low half."""

    State = GoldfishRtcState
    span = 0x1000
    offset: int
    latched_high: int
    alarm: int
    irq_enabled: bool
    irq_pending: bool

    def __init__(
        self,
        outlet: Outlet,
        line: IrqLine,
        now_ns: VirtualClock,
        deadline_moved: Callable[[], None],
    ) -> None:
        self.outlet = outlet
        self.line = line
        self.now_ns = now_ns
        self.deadline_moved = deadline_moved
        super().__init__()

    def run_timers(self, now_ns: int) -> None:
        if self.deadline_ns is not None and self.deadline_ns <= now_ns:
            self._ring()

    @reads(0x00)
    def time_low(self) -> int:
        """Latch the time; TIME_HIGH then reads its upper half."""
        time = self._time()
        self.latched_high = time >> 32
        return time & LOW

    @reads(0x04)
    def time_high(self) -> int:
        """The upper half of the time that TIME_LOW latched."""
        return self.latched_high

    @writes(0x00)
    def set_time_low(self, value: int) -> None:
        """Set the lower half of the clock; the upper goes on."""
        now = self._time()
        self.offset = (self.offset - now + (now & ~LOW | value)) & MASK

    @writes(0x04)
    def set_time_high(self, value: int) -> None:
        """Set the upper half of the clock; the lower goes on."""
        now = self._time()
        self.offset = (self.offset - now + (now & LOW | value << 32)) & MASK

    @reads(0x08)
    def alarm_low(self) -> int:
        """The lower half of the alarm time."""
        return self.alarm & LOW

    @reads(0x0C)
    def alarm_high(self) -> int:
        """The upper half of the alarm time."""
        return self.alarm >> 32

    @writes(0x08)
    def set_alarm_low(self, value: int) -> None:
        """Set the lower half of the alarm time and arm it. A time that has passed rings now."""
        self.alarm = self.alarm & ~LOW | value
        ahead = self.alarm - self._time()
        if ahead <= 0:
            self._ring()
        else:
            self.deadline_ns = min(self.now_ns() + ahead, LATEST_NS)
            self.deadline_moved()

    @writes(0x0C)
    def set_alarm_high(self, value: int) -> None:
        """Set the upper half of the alarm time; writing the lower half then arms it."""
        self.alarm = self.alarm & LOW | value << 32

    @reads(0x10)
    def interrupt_enabled(self) -> int:
        """Whether the alarm may interrupt."""
        return int(self.irq_enabled)

    @writes(0x10)
    def set_interrupt_enabled(self, value: int) -> None:
        """Bit 0 lets the alarm interrupt."""
        self.irq_enabled = bool(value & 1)
        self._update_line()

    @writes(0x14)
    def clear_alarm(self, value: int) -> None:
        """Disarm the alarm, whatever is written."""
        self.deadline_ns = None

    @reads(0x18)
    def alarm_status(self) -> int:
        """Whether the alarm is armed."""
        return int(self.deadline_ns is not None)

    @writes(0x1C)
    def clear_interrupt(self, value: int) -> None:
        """Withdraw the interrupt, whatever is written."""
        self.irq_pending = False
        self._update_line()

    def _time(self) -> int:
        wall = int.from_bytes(self.outlet.ask("wall-clock", 8), "little")
        return (wall + self.offset) & MASK

    def _ring(self) -> None:
        self.deadline_ns = None
        self.irq_pending = True
        self._update_line()

    def _update_line(self) -> None:
        self.line(self.irq_pending and self.irq_enabled)
