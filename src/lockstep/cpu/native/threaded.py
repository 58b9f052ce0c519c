"""Threaded code: what its pieces have in common, be they handlers or regions.

LLVM's preserve_none convention keeps the five arguments in registers, and every piece ends in a
tail call of the next one: entry (decoded instruction), hart, budget left, data table of the current
context, and delta, which makes the pc: delta + entry / 8.
"""

from __future__ import annotations

from typing import Any

from lockstep.cpu.layout import ENTRY_SHIFT, FETCH_ENTRIES, FETCH_ENTRY_BYTES, PAGE
from lockstep.cpu.native.functions import (
    CONVENTION,
    HANDLER_TYPE,
    LIKELY,
    NativeFunction,
    NativeModule,
)
from lockstep.cpu.native.vocabulary import NativeHart
from lockstep.cpu.native.words import I8, I64, PTR, NativeWord


class Threaded(NativeFunction):
    """What is entered with the five arguments, and ends in a tail call that passes them on."""

    hart: NativeHart

    def __init__(self, module: NativeModule, name: str) -> None:
        function = module.handler(name)
        super().__init__(module, function)
        self.entry, self.hart_pointer, self.left, self.table, self.delta = function.args

    def current_pc(self, hart: NativeHart) -> NativeWord:
        return self.entered_pc()

    def entered_pc(self) -> NativeWord:
        """The address of the instruction that this was entered for."""
        entry = self.builder.ptrtoint(self.entry, I64)
        return self.word(self.builder.add(self.delta, self.builder.lshr(entry, I64(ENTRY_SHIFT))))

    def data_table(self, hart: NativeHart) -> NativeWord:
        return self.word(self.builder.ptrtoint(self.table, I64))

    def tail_call(self, target: Any, entry: Any, left: Any, delta: Any) -> None:
        function = self.module.handler(target) if isinstance(target, str) else target
        args = [entry, self.hart_pointer, left, self.table, delta]
        self.builder.call(function, args, cconv=CONVENTION, tail="musttail")
        self.builder.ret_void()

    def _entry_after(self, distance: Any) -> Any:
        return self.builder.gep(self.entry, [distance], source_etype=I8)

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
        self.builder.cbranch(known.value, hit, miss).set_weights(LIKELY)
        self.builder.position_at_end(miss)
        self.hart.pc = target
        self.tail_call("op_fetch", self.entry, left, self.delta)
        self.builder.position_at_end(hit)
        page = self.hart.host_load(slot + 8, 8)
        entry = page + ((target & (PAGE - 1)) << ENTRY_SHIFT)
        delta: NativeWord = target - (entry >> ENTRY_SHIFT)
        pointer = self.builder.inttoptr(entry.value, PTR)
        self._continue_at(pointer, left, delta.value)
