"""The ACLINT: software interrupts for M-mode (MSWI) and S-mode (SSWI), and the timer (MTIMER).

RISC-V ACLINT specification 1.0-rc4. MSWI and MTIMER next to each other are what SiFive called
CLINT. The harts derive timer interrupts from time themselves; MTIMER only passes values on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from lockstep.machine.device import Device, IrqLine, reads, writes

LOW = (1 << 32) - 1
MTIME = 0x7FF8  # of MTIMER


class MswiState(msgspec.Struct, frozen=True):
    """One bit for each hart."""

    msip: int = 0


class Mswi(Device):
    """Machine software interrupts: a level for each hart."""

    State = MswiState
    span = 0x4000
    msip: int

    def __init__(self, lines: Sequence[IrqLine]) -> None:
        self.lines = lines
        self.harts = len(lines)
        super().__init__()

    @reads(0x0, each=(("harts", 4),))
    def pending(self, hart: int) -> int:
        """Whether this hart's software interrupt is raised."""
        return self.msip >> hart & 1

    @writes(0x0, each=(("harts", 4),))
    def set_pending(self, hart: int, value: int) -> None:
        """Bit 0 raises or withdraws the interrupt; the other 31 bits are wired to zero."""
        level = bool(value & 1)
        self.msip = self.msip & ~(1 << hart) | level << hart
        self.lines[hart](level)


class SswiState(msgspec.Struct, frozen=True):
    """Nothing: SSIP itself is in the hart."""


class Sswi(Device):
    """Supervisor software interrupts: an edge, which sets SSIP in the hart and is forgotten."""

    State = SswiState
    span = 0x4000

    def __init__(self, lines: Sequence[IrqLine]) -> None:
        self.lines = lines
        self.harts = len(lines)
        super().__init__()

    @writes(0x0, each=(("harts", 4),))
    def raise_edge(self, hart: int, value: int) -> None:
        """Writing 1 sets SSIP; writing 0 does nothing. Reads give 0 (ACLINT 4.1)."""
        if value & 1:
            self.lines[hart](True)


class Timebase(Protocol):
    """Time and the comparators. They live with the harts, which derive interrupts from them."""

    def ticks(self) -> int: ...
    def set_ticks(self, value: int) -> None: ...
    def compare(self, hart: int) -> int: ...
    def set_compare(self, hart: int, value: int) -> None: ...


class MtimerState(msgspec.Struct, frozen=True):
    """Nothing: see `Timebase`."""


class Mtimer(Device):
    """Machine timer: a comparator for each hart and the time, each also in halves."""

    State = MtimerState
    span = 0x8000
    reserved_sizes = (4, 8)

    def __init__(self, timebase: Timebase, harts: int) -> None:
        self.timebase = timebase
        self.harts = harts
        super().__init__()

    @reads(0x0, 8, each=(("harts", 8),))
    def mtimecmp(self, hart: int) -> int:
        """The time at which this hart's timer interrupt rises."""
        return self.timebase.compare(hart)

    @writes(0x0, 8, each=(("harts", 8),))
    def set_mtimecmp(self, hart: int, value: int) -> None:
        """Set all 64 bits at once."""
        self.timebase.set_compare(hart, value)

    @reads(0x0, 4, each=(("harts", 8), (2, 4)))
    def mtimecmp_half(self, hart: int, half: int) -> int:
        """One half of mtimecmp."""
        return self.timebase.compare(hart) >> 32 * half & LOW

    @writes(0x0, 4, each=(("harts", 8), (2, 4)))
    def set_mtimecmp_half(self, hart: int, half: int, value: int) -> None:
        """Set one half of mtimecmp; the other stays."""
        self.timebase.set_compare(hart, _with_half(self.timebase.compare(hart), half, value))

    @reads(MTIME, 8)
    def mtime(self) -> int:
        """The time in ticks of the time base."""
        return self.timebase.ticks()

    @writes(MTIME, 8)
    def set_mtime(self, value: int) -> None:
        """Set the time of all harts."""
        self.timebase.set_ticks(value)

    @reads(MTIME, 4, each=((2, 4),))
    def mtime_half(self, half: int) -> int:
        """One half of mtime."""
        return self.timebase.ticks() >> 32 * half & LOW

    @writes(MTIME, 4, each=((2, 4),))
    def set_mtime_half(self, half: int, value: int) -> None:
        """Set one half of mtime; the other goes on."""
        self.timebase.set_ticks(_with_half(self.timebase.ticks(), half, value))


def _with_half(whole: int, half: int, value: int) -> int:
    return whole & ~(LOW << 32 * half) | value << 32 * half
