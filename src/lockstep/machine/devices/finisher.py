"""SiFive's test finisher, which Linux drives as a syscon: one register that ends the machine."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from lockstep.machine.device import Device, writes

FAIL, PASS, RESET = 0x3333, 0x5555, 0x7777


class FinisherState(msgspec.Struct, frozen=True):
    """Nothing: whether the machine ended is the machine's state."""


class Finisher(Device):
    """Calls `finish(command, code)` for a command it knows and ignores the others."""

    State = FinisherState
    span = 0x1000
    reserved_sizes = (2, 4)

    def __init__(self, finish: Callable[[int, int], None]) -> None:
        self.finish = finish
        super().__init__()

    @writes(0x0, 2, 4)
    def command(self, value: int) -> None:
        """The command in bits 15..0, with FAIL an exit code above it."""
        command, code = value & 0xFFFF, value >> 16 & 0xFFFF
        if command in (FAIL, PASS, RESET):
            self.finish(command, code if command == FAIL else 0)
