"""Handlers of the threaded interpreter: one for each instruction."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from lockstep.cpu.layout import ENTRY_SHIFT
from lockstep.cpu.native.functions import NativeModule
from lockstep.cpu.native.threaded import Threaded
from lockstep.cpu.native.vocabulary import Block, NativeHart, Operand
from lockstep.cpu.native.words import I8, I32, I64, NativeWord
from lockstep.isa.table import Insn, table

OPERAND_BYTES: Final = {"rd": 8, "rs1": 9, "rs2": 10, "rs3": 11}
IMMEDIATE_AT: Final = 12


@cache
def _numbers() -> dict[Insn, int]:
    return {insn: number for number, insn in enumerate(table())}


def handler_name(insn: Insn, *, far: bool) -> str:
    """What the handler of an instruction is called; `far` if its jump leaves the page."""
    return f"i{_numbers()[insn]}_{insn.name}{'.far' if far else ''}"


class Instruction(Threaded):
    """A handler of the threaded interpreter: (entry, hart, budget, data table, pc - entry/8)."""

    def __init__(self, module: NativeModule, name: str, length: int = 0, far: bool = False) -> None:
        super().__init__(module, name)
        self.hart: NativeHart = NativeHart(self, self.hart_pointer)
        self.ilen = length
        self.far = far
        self.relative = False  # whether it jumps relative to pc
        self.x_destinations: set[str] = set()
        self._event: Any = None

    # Operands.
    def _field(self, offset: int, kind: Any) -> Any:
        slot = self.builder.gep(self.entry, [I64(offset)], source_etype=I8, inbounds=True)
        return self.builder.load(slot, typ=kind)

    def operand(self, name: str) -> Any:
        """What the semantic function gets for operand `name`."""
        if name == "zimm":
            return self.word(self.builder.zext(self._field(OPERAND_BYTES["rs1"], I8), I64))
        if name in OPERAND_BYTES:
            at = OPERAND_BYTES[name]
            return Operand(name, lambda: self.builder.zext(self._field(at, I8), I64))
        return self.word(self.builder.sext(self._field(IMMEDIATE_AT, I32), I64))

    def writes_x(self, operand: str) -> None:
        self.x_destinations.add(operand)

    # Position.
    def budget_left(self, hart: NativeHart) -> NativeWord:
        return self.word(self.left)

    def before_call(self, receiver: Block) -> None:
        receiver.pc = self.current_pc(self.hart)
        receiver.left = self.word(self.left)

    def event_block(self) -> Any:
        """Where this instruction gives way to its event; one for all its calls."""
        if self._event is None:
            here = self.builder.block
            self._event = self._block()
            self.builder.position_at_end(self._event)
            self.before_call(self.hart)
            self.tail_call("op_event", self.entry, self.left, self.delta)
            self.builder.position_at_end(here)
        return self._event

    # Ending.
    def finish(self) -> None:
        """Go to the next instruction of this path."""
        left = self.builder.sub(self.left, I64(1))
        if "may_resync" in self.effects:
            self._resync_if_due(left)
        if self.control is None:
            self._continue_at(self._entry_after(I64(self.ilen << ENTRY_SHIFT)), left)
        elif self.control[0] == "by" and not self.far:
            offset = self.builder.shl(self.control[1].value, I64(ENTRY_SHIFT))
            self._continue_at(self._entry_after(offset), left)
        else:
            self.go_to(self._target(), left)

    def _target(self) -> NativeWord:
        if self.control is None:
            return self.hart.next_pc  # type: ignore[no-any-return]
        kind, word = self.control
        target: NativeWord = self.hart.pc + word if kind == "by" else word
        return target

    def _resync_if_due(self, left: Any) -> None:
        due, calm = self._block(), self._block()
        wanted = self.builder.icmp_unsigned("!=", self.hart.resync_due.value, I64(0))
        self.builder.cbranch(wanted, due, calm)
        self.builder.position_at_end(due)
        self.hart.pc = self._target()
        self.tail_call("op_resync", self.entry, left, self.delta)
        self.builder.position_at_end(calm)
