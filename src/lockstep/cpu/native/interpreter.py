"""The threaded interpreter: every handler, and what links them, as one LLVM module."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from lockstep.cpu.access import in_ram, locate
from lockstep.cpu.layout import (
    DECODED_PAGE_BYTES,
    ENTRY_BYTES,
    EVENT_LEAVE,
    PAGE,
    SCRATCH_BYTES,
    SCRATCH_OFFSET,
)
from lockstep.cpu.native.decoder import Decoder, Handlers
from lockstep.cpu.native.functions import CONVENTION, Instruction, NativeFunction, NativeModule
from lockstep.cpu.native.tlb import (
    before_host_write,
    flush_all,
    host_address,
    note_code,
    refresh_context,
)
from lockstep.cpu.native.vocabulary import Block, NativeCluster, NativeHart
from lockstep.cpu.native.words import I64, PTR, VOID, NativeWord
from lockstep.cpu.schedule import run
from lockstep.isa.interrupts import interrupt_to_take
from lockstep.isa.privileged import FETCH, ILLEGAL_INSTRUCTION, INSTRUCTION_ACCESS_FAULT
from lockstep.isa.sem import outlined
from lockstep.isa.table import Insn, table
from lockstep.isa.traps import enter_trap
from lockstep.isa.values import Word


def build() -> ir.Module:
    """The whole interpreter. Deterministic: same sources, same text."""
    module = NativeModule()
    handlers = {insn: _instruction(module, insn, number) for number, insn in enumerate(table())}
    for make in (
        _op_event, _op_resync, _op_enter, _op_fetch, _op_stop, _op_decode, _op_straddle,
        _op_next_page, _op_illegal, _clear_decoded, _run_slice,
    ):  # fmt: skip
        make(module)
    Decoder(module, handlers).generate()
    _export(module, "lockstep_run", run, 0)
    _export(module, "lockstep_flush", flush_all, 0)
    _export(module, "lockstep_before_write", before_host_write, 2)
    return module.ir


def _instruction(module: NativeModule, insn: Insn, number: int) -> Handlers:
    near = _handler(module, insn, f"i{number}_{insn.name}", far=False)
    far = None
    if near.relative:
        far = _handler(module, insn, f"i{number}_{insn.name}.far", far=True)
    return Handlers(
        near.function, far.function if far else None, frozenset(near.x_destinations)
    )


def _handler(module: NativeModule, insn: Insn, name: str, *, far: bool) -> Instruction:
    made = Instruction(module, name, insn.length, far)
    wanted = list(inspect.signature(insn.semantics).parameters)[1:]
    made.inline(insn.semantics, (made.hart, *(made.operand(n) for n in wanted)))
    if not made.dead:
        made.finish()
    return made


class Link(Instruction):
    """A handler that is no instruction: the hart's `pc` field is the position."""

    def current_pc(self, hart: NativeHart) -> NativeWord:
        return NativeFunction.current_pc(self, hart)

    def before_call(self, receiver: Block) -> None:
        receiver.left = self.word(self.left)

    def to(self, name: str, left: Any) -> None:
        self.tail_call(name, self.entry, left, self.delta)


def _op_event(module: NativeModule) -> None:
    """An instruction was given up: leave native code, or take its trap."""
    link = Link(module, "op_event")
    hart, builder = link.hart, link.builder
    event = hart.event
    hart.event = 0
    leave, trap = (builder.append_basic_block() for _ in range(2))
    builder.cbranch((event == EVENT_LEAVE).value, leave, trap)
    builder.position_at_end(leave)
    builder.ret_void()
    builder.position_at_end(trap)
    entry = link.word(builder.ptrtoint(link.entry, I64))
    hart.pc = link.call_outlined(hart, take_exception, (entry,))
    link.to("op_resync", builder.sub(link.left, I64(1)))


@outlined
def take_exception(s: Any, entry: Word) -> Word:
    """Enter the trap that the hart's event describes; returns the handler's address."""
    tval = s.trap_tval
    if s.trap_cause == ILLEGAL_INSTRUCTION:
        tval = _word_of(s, entry)
    handler: Word = enter_trap(s, s.trap_cause, tval, False)
    return handler


@outlined
def _word_of(s: Any, entry: Word) -> Word:
    """The instruction word that a decoded entry was made from (tval, Priv. 3.1.16)."""
    if entry - (s.address() + SCRATCH_OFFSET) < SCRATCH_BYTES:
        return s.scratch_word  # type: ignore[no-any-return]
    pool = entry - s.cluster.pool_host
    page = pool // DECODED_PAGE_BYTES
    offset = (pool % DECODED_PAGE_BYTES) >> 3
    host = s.cluster.ram_host + page * PAGE + offset
    word = s.host_load(host, 2)
    if word & 3 == 3:
        word = word | s.host_load(host + 2, 2) << 16
    return word  # type: ignore[no-any-return]


@outlined
def _resettle(s: Any) -> None:
    """Privilege or interrupt state changed: take what is due, look with the right eyes."""
    cause = interrupt_to_take(s)
    if cause != 0:
        s.pc = enter_trap(s, cause, s.const(0), True)
    refresh_context(s)


def _op_resync(module: NativeModule) -> None:
    """Go on at the `pc` field after a change of state; a due reschedule ends the slice."""
    link = Link(module, "op_resync")
    hart, builder = link.hart, link.builder
    hart.left = link.word(link.left)
    hart.resync_due = 0
    over, go = (builder.append_basic_block() for _ in range(2))
    spent = builder.icmp_unsigned("==", link.left, I64(0))
    stop = builder.or_(spent, (hart.reschedule_due != 0).value)
    builder.cbranch(stop, over, go)
    builder.position_at_end(over)
    builder.ret_void()
    builder.position_at_end(go)
    link.call_outlined(hart, _resettle, ())
    link.table = builder.inttoptr(hart.data_table.value, PTR)
    link.go_to(hart.pc, link.left)


def _op_enter(module: NativeModule) -> None:
    """Start at the `pc` field."""
    link = Link(module, "op_enter")
    link.go_to(link.hart.pc, link.left)


def _op_fetch(module: NativeModule) -> None:
    """The `pc` field is on a page whose decoded entries are not at hand."""
    link = Link(module, "op_fetch")
    hart, builder = link.hart, link.builder
    hart.left = link.word(link.left)
    over, go = (builder.append_basic_block() for _ in range(2))
    builder.cbranch(builder.icmp_unsigned("==", link.left, I64(0)), over, go)
    builder.position_at_end(over)
    builder.ret_void()
    builder.position_at_end(go)
    entry = link.call_outlined(hart, entry_at_pc, ())
    delta = hart.pc - (entry >> 3)
    link._continue_at(builder.inttoptr(entry.value, PTR), link.left, delta.value)


@outlined
def entry_at_pc(s: Any) -> Word:
    """The decoded entry of the instruction at pc; traps if it cannot be fetched."""
    paddr = locate(s, s.pc, s.const(2), FETCH)
    if not in_ram(s, paddr, 2):
        s.trap(INSTRUCTION_ACCESS_FAULT, s.pc)
    slot = s.fetch_slot(s.pc)
    if s.host_load(slot, 8) == s.pc & ~(PAGE - 1):
        entry: Word = s.host_load(slot + 8, 8) + ((s.pc & (PAGE - 1)) << 3)
        return entry
    # Protection differs within the page: nothing of it may be cached.
    word = s.host_load(host_address(s, paddr), 2)
    if word & 3 == 3:
        word = word | _second_half(s) << 16
    return _scratch_entry(s, word)


@outlined
def _second_half(s: Any) -> Word:
    """The upper halfword of the instruction at pc, which may lie on the next page."""
    address = s.pc + 2
    paddr = locate(s, address, s.const(2), FETCH)
    if not in_ram(s, paddr, 2):
        s.trap(INSTRUCTION_ACCESS_FAULT, address)
    half: Word = s.host_load(host_address(s, paddr), 2)
    return half


@outlined
def _scratch_entry(s: Any, word: Word) -> Word:
    """Decode `word` into the hart's scratch page, which leads nowhere but through a lookup."""
    entry: Word = s.address() + SCRATCH_OFFSET
    s.scratch_word = word
    s.decode(word, entry, s.const(1 << 40))  # an offset from which no target is near
    s.next_page_entry(entry + ENTRY_BYTES)
    s.next_page_entry(entry + 2 * ENTRY_BYTES)
    return entry


@outlined
def straddling_entry(s: Any, low: Word) -> Word:
    """The entry of an instruction whose upper half is on the next page."""
    return _scratch_entry(s, low | _second_half(s) << 16)


def _op_straddle(module: NativeModule) -> None:
    """A 32-bit instruction at the end of a page: put together anew each time."""
    link = Instruction(module, "op_straddle")
    low = link.call_outlined(link.hart, _word_at, (_entry_number(link),))
    entry = link.call_outlined(link.hart, straddling_entry, (low & 0xFFFF,))
    delta = link.hart.pc - (entry >> 3)
    pointer = link.builder.inttoptr(entry.value, PTR)
    handler = link.builder.load(pointer, typ=_handler_pointer(module))
    link.tail_call(handler, pointer, link.left, delta.value)


def _handler_pointer(module: NativeModule) -> Any:
    return module.handler("op_stop").ftype.as_pointer()


def _entry_number(link: Instruction) -> NativeWord:
    return link.word(link.builder.ptrtoint(link.entry, I64))


@outlined
def _word_at(s: Any, entry: Word) -> Word:
    """Up to 32 bits of memory that a pool entry stands for; 16 at the end of a page."""
    pool = entry - s.cluster.pool_host
    page = pool // DECODED_PAGE_BYTES
    offset = (pool % DECODED_PAGE_BYTES) >> 3
    host = s.cluster.ram_host + page * PAGE + offset
    word = s.host_load(host, 2)
    if offset < PAGE - 2:
        word = word | s.host_load(host + 2, 2) << 16
    return word  # type: ignore[no-any-return]


@outlined
def decode_entry(s: Any, entry: Word) -> None:
    """Decode the instruction that a pool entry stands for."""
    pool = entry - s.cluster.pool_host
    offset = (pool % DECODED_PAGE_BYTES) >> 3
    word = _word_at(s, entry)
    note_code(s, s.cluster.ram_base + (pool // DECODED_PAGE_BYTES) * PAGE)
    if offset == PAGE - 2 and word & 3 == 3:
        s.straddle_entry(entry)
    else:
        s.decode(word if word & 3 == 3 else word & 0xFFFF, entry, offset)


def _op_decode(module: NativeModule) -> None:
    """An entry not yet decoded: decode it, then run it."""
    link = Instruction(module, "op_decode")
    link.call_outlined(link.hart, decode_entry, (_entry_number(link),))
    handler = link.builder.load(link.entry, typ=_handler_pointer(module))
    link.tail_call(handler, link.entry, link.left, link.delta)


def _op_next_page(module: NativeModule) -> None:
    """Execution ran off the end of a decoded page."""
    link = Instruction(module, "op_next_page")
    link.go_to(link.hart.pc, link.left)


def _op_stop(module: NativeModule) -> None:
    """The budget is used up before the instruction of this entry."""
    link = Instruction(module, "op_stop")
    link.before_call(link.hart)
    link.builder.ret_void()


def _op_illegal(module: NativeModule) -> None:
    """A word that encodes no instruction."""
    link = Instruction(module, "op_illegal")
    link.hart.trap(ILLEGAL_INSTRUCTION, 0)


def _clear_decoded(module: NativeModule) -> None:
    """clear_decoded(page): all entries to be decoded, and the two behind the end of the page."""
    function = _declared(module, "clear_decoded", VOID, [I64])
    lowering = NativeFunction(module, function)
    builder = lowering.builder
    page = lowering.word(function.args[0])

    def put(index: NativeWord, handler: str) -> None:
        pointer = builder.inttoptr((page + (index << 4)).value, PTR)
        builder.store(module.handler(handler), pointer)

    lowering.loop(lowering.literal(0), PAGE // 2, lambda i: put(i, "op_decode"))
    for index in (PAGE // 2, PAGE // 2 + 1):
        put(lowering.literal(index), "op_next_page")
    builder.ret_void()


def _run_slice(module: NativeModule) -> None:
    """run_slice(hart, budget): execute; `left` and `pc` of the hart tell how far it came."""
    function = _declared(module, "run_slice", VOID, [PTR, I64])
    lowering = NativeFunction(module, function)
    hart = NativeHart(lowering, function.args[0])
    refresh_context(hart)
    null = ir.Constant(PTR, None)
    data = lowering.builder.inttoptr(hart.data_table.value, PTR)
    args = [null, function.args[0], function.args[1], data, I64(0)]
    lowering.builder.call(module.handler("op_enter"), args, cconv=CONVENTION)
    lowering.builder.ret_void()


def _declared(module: NativeModule, name: str, result: Any, args: list[Any]) -> ir.Function:
    found = module.ir.globals.get(name)
    return found or ir.Function(module.ir, ir.FunctionType(result, args), name)


def _export(
    module: NativeModule, name: str, function: Callable[..., Any], arguments: int
) -> None:
    """An entry point for Python: a dialect function of the cluster."""
    kind = ir.FunctionType(I64, [PTR, *[I64] * arguments])
    native = ir.Function(module.ir, kind, name)
    lowering = NativeFunction(module, native)
    cluster = NativeCluster(lowering, native.args[0])
    given = tuple(lowering.word(a) for a in native.args[1:])
    result = lowering.call_outlined(cluster, function, given)
    lowering.builder.ret(I64(0) if result is None else result.value)


