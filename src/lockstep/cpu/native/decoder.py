"""The native decoder: instruction word to decoded entry, generated from the instruction table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from lockstep.cpu.layout import DROPPED, PAGE
from lockstep.cpu.native.functions import NativeModule
from lockstep.cpu.native.instruction import IMMEDIATE_AT, OPERAND_BYTES
from lockstep.cpu.native.words import I8, I32, I64, PTR, VOID
from lockstep.isa.encoding import Operand
from lockstep.isa.table import Insn, specificity


@dataclass(frozen=True)
class Handlers:
    """The handlers of one instruction; `far` where its jump leaves the page."""

    near: ir.Function
    far: ir.Function | None
    x_destinations: frozenset[str]


class Decoder:
    """Generates `decode(word, entry, offset)`; `offset` is the instruction's place in its page."""

    def __init__(self, module: NativeModule, handlers: dict[Insn, Handlers]) -> None:
        kind = ir.FunctionType(VOID, [I64, PTR, I64])
        found = module.ir.globals.get("decode")
        self.function = found or ir.Function(module.ir, kind, "decode")
        self.module = module
        self.handlers = handlers
        self.word, self.entry, self.offset = self.function.args
        self.builder = ir.IRBuilder(self.function.append_basic_block())

    def generate(self) -> None:
        """Emit the function: a switch on the opcode, then the few candidates one by one."""
        builder = self.builder
        illegal = self.function.append_basic_block("illegal")
        wide, narrow = (self.function.append_basic_block() for _ in range(2))
        low = builder.and_(self.word, I64(3))
        builder.cbranch(builder.icmp_unsigned("==", low, I64(3)), wide, narrow)
        for block, length, selector in ((wide, 4, 0x7F), (narrow, 2, 0xE003)):
            builder.position_at_end(block)
            key = builder.and_(self.word, I64(selector))
            switch = builder.switch(key, illegal)
            for value, candidates in self._buckets(length, selector).items():
                start = self.function.append_basic_block()
                switch.add_case(I64(value), start)
                self._candidates(start, candidates, illegal)
        builder.position_at_end(illegal)
        builder.store(self.module.handler("op_illegal"), self.entry)
        builder.ret_void()

    def _buckets(self, length: int, selector: int) -> dict[int, list[Insn]]:
        buckets: dict[int, list[Insn]] = {}
        mine = sorted((i for i in self.handlers if i.length == length), key=specificity)
        for value in _submasks(selector):
            fitting = [
                i for i in mine if not (value ^ i.encoding.match) & i.encoding.mask & selector
            ]
            if fitting:
                buckets[value] = fitting
        return buckets

    def _candidates(self, start: Any, candidates: list[Insn], illegal: Any) -> None:
        self.builder.position_at_end(start)
        for insn in candidates:
            chosen, other = (self.function.append_basic_block() for _ in range(2))
            self.builder.cbranch(self._matches(insn), chosen, other)
            self.builder.position_at_end(chosen)
            self._fill(insn)
            self.builder.position_at_end(other)
        self.builder.branch(illegal)

    def _matches(self, insn: Insn) -> Any:
        builder, encoding = self.builder, insn.encoding
        fixed = builder.and_(self.word, I64(encoding.mask))
        result = builder.icmp_unsigned("==", fixed, I64(encoding.match))
        for operand in encoding.operands:
            for refused in operand.refused:
                raw = self._extract(operand)
                differs = builder.icmp_unsigned("!=", raw, I64(refused + operand.bias))
                result = builder.and_(result, differs)
        return result

    def _extract(self, operand: Operand) -> Any:
        builder = self.builder
        value: Any = I64(0)
        for piece in operand.pieces:
            bits = builder.and_(
                builder.lshr(self.word, I64(piece.low)), I64((1 << piece.width) - 1)
            )
            value = builder.or_(value, builder.shl(bits, I64(piece.at)))
        if operand.signed:
            up = I64(64 - operand.width)
            value = builder.ashr(builder.shl(value, up), up)
        return builder.add(value, I64(operand.bias))

    def _fill(self, insn: Insn) -> None:
        builder, handlers = self.builder, self.handlers[insn]
        immediate: Any = None
        for operand in insn.encoding.operands:
            value = self._extract(operand)
            if operand.name in handlers.x_destinations:
                zero = builder.icmp_unsigned("==", value, I64(0))
                value = builder.select(zero, I64(DROPPED), value)
            slot = "rs1" if operand.name == "zimm" else operand.name
            if slot in OPERAND_BYTES:
                self._store(builder.trunc(value, I8), OPERAND_BYTES[slot])
            else:
                assert immediate is None, f"{insn.name} has two immediates"
                immediate = value
                self._store(builder.trunc(value, I32), IMMEDIATE_AT)
        handler: Any = handlers.near
        if handlers.far is not None:
            target = builder.add(self.offset, immediate)
            near = builder.icmp_unsigned("<", target, I64(PAGE))
            handler = builder.select(near, handlers.near, handlers.far)
        builder.store(handler, self.entry)
        builder.ret_void()

    def _store(self, value: Any, offset: int) -> None:
        slot = self.builder.gep(self.entry, [I64(offset)], source_etype=I8)
        self.builder.store(value, slot)


def _submasks(mask: int) -> list[int]:
    """All numbers that have bits only where `mask` has."""
    found, value = [0], mask & -mask
    while value:
        found.append(value)
        value = (value - mask) & mask
    return sorted(set(found))
