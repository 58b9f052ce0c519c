"""Handlers of the threaded interpreter: one for each instruction.

LLVM's preserve_none convention keeps a handler's five arguments in registers, and it ends in a tail
call of the next one: entry (decoded instruction), hart, budget left, data table of the current
context, and delta, which makes the pc: delta + entry / 8.
"""

from __future__ import annotations

from typing import Any, Final

from lockstep.cpu.layout import ENTRY_BYTES, FETCH_ENTRIES, FETCH_ENTRY_BYTES, PAGE
from lockstep.cpu.native.functions import CONVENTION, HANDLER_TYPE, NativeFunction, NativeModule
from lockstep.cpu.native.vocabulary import Block, NativeHart, Operand
from lockstep.cpu.native.words import I8, I32, I64, PTR, NativeWord

OPERAND_BYTES: Final = {"rd": 8, "rs1": 9, "rs2": 10, "rs3": 11}
IMMEDIATE_AT: Final = 12


class Instruction(NativeFunction):
    """A handler of the threaded interpreter: (entry, hart, budget, data table, pc - entry/8)."""

    def __init__(self, module: NativeModule, name: str, length: int = 0, far: bool = False) -> None:
        function = module.handler(name)
        super().__init__(module, function)
        self.entry, self.hart_pointer, self.left, self.table, self.delta = function.args
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
    def current_pc(self, hart: NativeHart) -> NativeWord:
        entry = self.builder.ptrtoint(self.entry, I64)
        return self.word(self.builder.add(self.delta, self.builder.lshr(entry, I64(3))))

    def budget_left(self, hart: NativeHart) -> NativeWord:
        return self.word(self.left)

    def data_table(self, hart: NativeHart) -> NativeWord:
        return self.word(self.builder.ptrtoint(self.table, I64))

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

    # Endings.
    def tail_call(self, target: Any, entry: Any, left: Any, delta: Any) -> None:
        function = self.module.handler(target) if isinstance(target, str) else target
        args = [entry, self.hart_pointer, left, self.table, delta]
        self.builder.call(function, args, cconv=CONVENTION, tail="musttail")
        self.builder.ret_void()

    def finish(self) -> None:
        """Go to the next instruction of this path."""
        left = self.builder.sub(self.left, I64(1))
        if "may_resync" in self.effects:
            self._resync_if_due(left)
        if self.control is None:
            self._continue_at(self._entry_after(I64(self.ilen * ENTRY_BYTES // 2)), left)
        elif self.control[0] == "by" and not self.far:
            offset = self.builder.mul(self.control[1].value, I64(ENTRY_BYTES // 2))
            self._continue_at(self._entry_after(offset), left)
        else:
            self.go_to(self._target(), left)

    def _target(self) -> NativeWord:
        if self.control is None:
            return self.hart.next_pc  # type: ignore[no-any-return]
        kind, word = self.control
        target: NativeWord = self.hart.pc + word if kind == "by" else word
        return target

    def _entry_after(self, distance: Any) -> Any:
        return self.builder.gep(self.entry, [distance], source_etype=I8)

    def _resync_if_due(self, left: Any) -> None:
        due, calm = self._block(), self._block()
        wanted = self.builder.icmp_unsigned("!=", self.hart.resync_due.value, I64(0))
        self.builder.cbranch(wanted, due, calm)
        self.builder.position_at_end(due)
        self.hart.pc = self._target()
        self.tail_call("op_resync", self.entry, left, self.delta)
        self.builder.position_at_end(calm)

    def _continue_at(self, entry: Any, left: Any, delta: Any = None) -> None:
        """Run the instruction of `entry`, or stop before it if the budget is used up."""
        delta = self.delta if delta is None else delta
        stop, go = self._block(), self._block()
        empty = self.builder.icmp_unsigned("==", left, I64(0))
        self.builder.cbranch(empty, stop, go).set_weights([1, 4000])
        self.builder.position_at_end(stop)
        self.tail_call("op_stop", entry, left, delta)
        self.builder.position_at_end(go)
        following = self.builder.load(entry, typ=HANDLER_TYPE.as_pointer())
        self.tail_call(following, entry, left, delta)

    def go_to(self, target: NativeWord, left: Any) -> None:
        """Run the instruction at virtual address `target`."""
        table = self.hart.fetch_table
        slot = table + ((target >> 12) & (FETCH_ENTRIES - 1)) * FETCH_ENTRY_BYTES
        known: Any = self.hart.host_load(slot, 8) == target & -PAGE
        hit, miss = self._block(), self._block()
        self.builder.cbranch(known.value, hit, miss).set_weights([4000, 1])
        self.builder.position_at_end(miss)
        self.hart.pc = target
        self.tail_call("op_fetch", self.entry, left, self.delta)
        self.builder.position_at_end(hit)
        page = self.hart.host_load(slot + 8, 8)
        entry = page + ((target & (PAGE - 1)) << 3)
        delta: NativeWord = target - (entry >> 3)
        pointer = self.builder.inttoptr(entry.value, PTR)
        self._continue_at(pointer, left, delta.value)
