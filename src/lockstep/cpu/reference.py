"""The reference engine: semantics as they are written, over Bits. Slow, and obvious.

What the native engines do is measured against this: same instruction counts, same state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from lockstep.cpu import schedule
from lockstep.cpu.access import in_ram, locate
from lockstep.cpu.layout import CLUSTER_OFFSET, DIRTY, HART_OFFSET, PAGE, TABLE
from lockstep.cpu.memory import Ram
from lockstep.cpu.pagehash import PageHashes
from lockstep.cpu.reference_hart import Leave, ReferenceCluster, ReferenceHart, Trap
from lockstep.cpu.state import MASK, ClusterBlock
from lockstep.isa.interrupts import interrupt_to_take
from lockstep.isa.privileged import FETCH, ILLEGAL_INSTRUCTION, INSTRUCTION_ACCESS_FAULT
from lockstep.isa.table import decode
from lockstep.isa.traps import enter_trap
from lockstep.isa.values import Bits

_LEFT: Final = HART_OFFSET["left"] >> 3
_PC: Final = HART_OFFSET["pc"] >> 3
_RESYNC_DUE: Final = HART_OFFSET["resync_due"] >> 3
_RESCHEDULE_DUE: Final = HART_OFFSET["reschedule_due"] >> 3

_STOP: Final = CLUSTER_OFFSET["stop"] >> 3

_LAST_HALF: Final = PAGE - 2

# Vocabulary is duck-typed: its Protocol promises every field, the classes get theirs at run time.
_run: Any = schedule.run
_locate: Any = locate
_in_ram: Any = in_ram
_enter_trap: Any = enter_trap
_interrupt_to_take: Any = interrupt_to_take


class Plan(NamedTuple):
    """What an instruction word comes to."""

    semantics: Callable[..., None]
    operands: tuple[int | Bits, ...]
    length: int


def _illegal(s: ReferenceHart) -> None:
    s.trap(ILLEGAL_INSTRUCTION, s.insn_word())


def plan(word: int) -> Plan:
    """Decode `word` and bind its operands to the parameters that its semantics names."""
    insn = decode(word)
    if insn is None:
        return Plan(_illegal, (), 4 if word & 3 == 3 else 2)
    values = insn.operands(word)
    code = insn.semantics.__code__
    names = code.co_varnames[1 : code.co_argcount]
    operands = tuple(_operand(name, values[name]) for name in names)
    return Plan(insn.semantics, operands, insn.length)


def _operand(name: str, value: int) -> int | Bits:
    return value if name in ("rd", "rs1", "rs2", "rs3") else Bits(64, value)


SLICE: Final = 1_000
"""Most instructions between two looks for a stop request: a fiftieth of a second."""


class ReferenceEngine:
    """Runs the harts of `block` one Python call an instruction."""

    def __init__(self, block: ClusterBlock, ram: Ram) -> None:
        block.slice = SLICE
        self._cluster = ReferenceCluster(block, ram, self._execute)
        self._ram = ram
        self._plans: dict[int, Plan] = {}

    def run(self) -> int:
        """Run on; returns one of cpu/schedule's DONE, IDLE, STOPPED, MMIO, ATTENTION."""
        return int(_run(self._cluster))

    def attend(self) -> None:
        """This engine asks for nothing."""

    def stats(self) -> dict[str, int]:
        """Nor does it count."""
        return {}

    def flush(self) -> None:
        """Forget every cached translation."""
        self._cluster.flush()

    def rehash(self, ram: Ram, hashes: PageHashes) -> None:
        """Bring the hashes of dirty pages up to date."""
        hashes.rehash(ram.view, ram.dirty_pages())

    def before_write(self, paddr: int, size: int) -> None:
        """The host is about to write main memory: page tables may change."""
        first = (paddr - self._ram.base) // PAGE
        last = (paddr + size - 1 - self._ram.base) // PAGE
        flags = self._ram.flags
        if any(flags[page] & TABLE for page in range(first, last + 1)):
            self._cluster.flush()
        for page in range(first, last + 1):
            flags[page] |= DIRTY

    def _execute(self, hart: ReferenceHart, budget: int) -> None:
        """Run one hart until the budget is used up or it must stop; `left` and `pc` tell."""
        words, shared = hart.words, self._cluster.words
        hart.refresh_context()
        left = words[_LEFT] = budget
        while left:
            try:
                self._step(hart)
            except Trap as trap:
                tval = hart.word if trap.cause == ILLEGAL_INSTRUCTION else trap.tval
                _trap(hart, trap.cause, tval, False)
                words[_RESYNC_DUE] = 1
            except Leave:
                return
            left -= 1
            words[_LEFT] = left
            if words[_RESYNC_DUE]:
                words[_RESYNC_DUE] = 0
                if not left or words[_RESCHEDULE_DUE] or shared[_STOP]:
                    return
                _resettle(hart)
            elif shared[_STOP]:  # between slices would be late: they take long here
                return

    def _step(self, hart: ReferenceHart) -> None:
        """One instruction."""
        pc = hart.words[_PC]
        word = hart.word = self._fetch(hart, pc)
        known = self._plans.get(word)
        if known is None:
            known = self._plans[word] = plan(word)
        semantics, operands, length = known
        hart.ilen = length
        hart.following = (pc + length) & MASK
        semantics(hart, *operands)
        hart.words[_PC] = hart.following

    def _fetch(self, hart: ReferenceHart, pc: int) -> int:
        """The instruction word at `pc`: 16 bits, or 32, which may begin on one page and end on
        the next."""
        at = pc & (PAGE - 1)
        frame = hart.code.fetches.get(pc >> 12)
        if frame is None or at == _LAST_HALF:
            low = _fetch_half(hart, pc)
            return low | _fetch_half(hart, (pc + 2) & MASK) << 16 if low & 3 == 3 else low
        at += frame
        memory = self._ram.memory
        low = memory[at] | memory[at + 1] << 8
        return low | memory[at + 2] << 16 | memory[at + 3] << 24 if low & 3 == 3 else low


def _fetch_half(hart: ReferenceHart, address: int) -> int:
    addr = Bits(64, address)
    paddr = _locate(hart, addr, Bits(64, 2), FETCH)
    if not _in_ram(hart, paddr, 2):
        hart.trap(INSTRUCTION_ACCESS_FAULT, addr)
    return int(hart.ram_load(paddr, 2))


def _trap(hart: ReferenceHart, cause: int, tval: int, interrupt: bool) -> None:
    hart.pc = _enter_trap(hart, Bits(64, cause), Bits(64, tval), interrupt)


def _resettle(hart: ReferenceHart) -> None:
    """Privilege or interrupt state changed: take what is due, look with the right eyes."""
    cause = int(_interrupt_to_take(hart))
    if cause:
        _trap(hart, cause, 0, True)
    hart.refresh_context()
