"""A glance at the instruction that a hart will run next, which disturbs neither hart nor memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lockstep.isa.disasm import disassemble
from lockstep.isa.mmu import translate
from lockstep.isa.privileged import FETCH
from lockstep.isa.state import PMP_ENTRIES
from lockstep.isa.values import Bits
from lockstep.machine.machine import Machine


def instruction(machine: Machine, hart: int) -> str:
    """The instruction at a hart's pc, as text; nothing if it cannot be fetched from RAM."""
    eye = _Eye(machine, machine.cpu.hart_fields(hart))
    pc = eye.fields["pc"]
    low = eye.fetch(pc)
    if low is None:
        return ""
    if low & 3 != 3:
        return disassemble(low, pc)
    high = eye.fetch(pc + 2)
    return "" if high is None else disassemble(high << 16 | low, pc)


class _Eye:
    """As much of a hart as address translation asks for. It remembers nothing."""

    def __init__(self, machine: Machine, fields: Mapping[str, int]) -> None:
        self.fields = fields
        self._ram = machine.ram
        self.pmpaddr = [Bits(64, fields[f"pmpaddr{i}"]) for i in range(PMP_ENTRIES)]

    def __getattr__(self, name: str) -> Bits:
        return Bits(64, self.fields[name])

    def fetch(self, address: int) -> int | None:
        """16 bits of code."""
        paddr, cause, _ = translate(self, Bits(64, address), 2, FETCH)
        half, is_memory = self.phys_load(paddr, 2)
        return int(half) if int(cause) == 0 and is_memory else None

    def const(self, value: int, width: int = 64) -> Bits:
        return Bits(width, value)

    def invoke(self, function: Callable[..., Any], args: tuple[Any, ...], outlined: bool) -> Any:
        return function(self, *args)

    def phys_load(self, addr: Bits, size: int) -> tuple[Bits, bool]:
        start = int(addr) - self._ram.base
        if not 0 <= start <= self._ram.size - size:
            return Bits(64, 0), False
        return Bits(64, int.from_bytes(self._ram.view[start : start + size], "little")), True

    def note_page_table(self, addr: Bits) -> None:
        """Nothing rests on what is only looked at."""

    def update_pte(self, addr: Bits, pte: Bits) -> None:
        """Nor is it marked."""
