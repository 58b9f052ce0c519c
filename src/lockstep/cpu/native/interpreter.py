"""The threaded interpreter: every handler, and what links them, as one LLVM module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from lockstep.cpu.layout import ENTRY_SHIFT, EVENT_LEAVE, PAGE
from lockstep.cpu.native.decoder import Decoder, Handlers
from lockstep.cpu.native.fetch import (
    decode_entry,
    entry_at_pc,
    install_region,
    resettle,
    straddling_entry,
    take_exception,
    word_at,
)
from lockstep.cpu.native.functions import (
    CONVENTION,
    HANDLER_TYPE,
    NativeFunction,
    NativeModule,
)
from lockstep.cpu.native.heat import sample
from lockstep.cpu.native.instruction import Instruction, handler_name
from lockstep.cpu.native.pagehash import define_rehash
from lockstep.cpu.native.tlb import before_host_write, forget_all, refresh_context
from lockstep.cpu.native.vocabulary import Block, NativeCluster, NativeHart
from lockstep.cpu.native.words import I8, I64, PTR, VOID, NativeWord
from lockstep.cpu.schedule import run
from lockstep.isa.privileged import ILLEGAL_INSTRUCTION
from lockstep.isa.table import Insn, table


def build() -> ir.Module:
    """The whole interpreter. Deterministic: same sources, same text."""
    module = NativeModule()
    handlers = {insn: _instruction(module, insn) for insn in table()}
    for make in (
        _op_event, _op_resync, _op_enter, _op_fetch, _op_stop, _op_decode, _op_straddle,
        _op_next_page, _op_refetch, _op_illegal, _clear_decoded, _run_slice,
    ):  # fmt: skip
        make(module)
    Decoder(module, handlers).generate()
    _export(module, "lockstep_run", run, 0)
    _export(module, "lockstep_flush", forget_all, 0)
    _export(module, "lockstep_before_write", before_host_write, 2)
    _export(module, "lockstep_install_region", install_region, 3)
    define_rehash(module.ir)
    _export_handlers(module)
    return module.ir


def _instruction(module: NativeModule, insn: Insn) -> Handlers:
    near = _handler(module, insn, far=False)
    far = _handler(module, insn, far=True) if near.relative else None
    return Handlers(near.function, far.function if far else None, frozenset(near.x_destinations))


def _handler(module: NativeModule, insn: Insn, *, far: bool) -> Instruction:
    made = Instruction(module, handler_name(insn, far=far), insn.length, far)
    made.inline(insn.semantics, (made.hart, *(made.operand(n) for n in insn.parameters)))
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

    def over(self) -> Any:
        """Whether the slice ends here: the budget is used up, or a stop is asked for.

        What gets here is slow, so that a stop need not wait for the end of the budget. But a slice
        that has begun executes something: what `select` decided is written down already.
        """
        builder, cluster = self.builder, self.hart.cluster
        spent = builder.icmp_unsigned("==", self.left, I64(0))
        wanted = builder.icmp_unsigned("!=", cluster.stop.value, I64(0))
        begun = builder.icmp_unsigned("!=", self.left, cluster.budget.value)
        return builder.or_(spent, builder.and_(wanted, begun))


def _op_event(module: NativeModule) -> None:
    """An instruction was given up: leave native code, or take its trap."""
    link = Link(module, "op_event")
    hart, builder = link.hart, link.builder
    left: Any = hart.event == EVENT_LEAVE
    hart.event = hart.const(0)
    leave, trap = (builder.append_basic_block() for _ in range(2))
    builder.cbranch(left.value, leave, trap)
    builder.position_at_end(leave)
    builder.ret_void()
    builder.position_at_end(trap)
    entry = link.word(builder.ptrtoint(link.entry, I64))
    hart.pc = link.call_outlined(hart, take_exception, (entry,))
    link.to("op_resync", builder.sub(link.left, I64(1)))


def _op_resync(module: NativeModule) -> None:
    """Go on at the `pc` field after a change of state; a due reschedule ends the slice."""
    link = Link(module, "op_resync")
    hart, builder = link.hart, link.builder
    hart.left = link.word(link.left)
    hart.resync_due = hart.const(0)
    over, go = (builder.append_basic_block() for _ in range(2))
    rescheduled: Any = hart.reschedule_due != 0
    builder.cbranch(builder.or_(link.over(), rescheduled.value), over, go)
    builder.position_at_end(over)
    builder.ret_void()
    builder.position_at_end(go)
    link.call_outlined(hart, resettle, ())
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
    builder.cbranch(link.over(), over, go)
    builder.position_at_end(over)
    builder.ret_void()
    builder.position_at_end(go)
    entry = link.call_outlined(hart, entry_at_pc, ())
    delta = hart.pc - (entry >> ENTRY_SHIFT)
    link._continue_at(builder.inttoptr(entry.value, PTR), link.left, delta.value)


def _op_straddle(module: NativeModule) -> None:
    """A 32-bit instruction at the end of a page: put together anew each time."""
    link = Instruction(module, "op_straddle")
    low = link.call_outlined(link.hart, word_at, (_entry_number(link),))
    entry = link.call_outlined(link.hart, straddling_entry, (low & 0xFFFF,))
    delta = link.hart.pc - (entry >> ENTRY_SHIFT)
    pointer = link.builder.inttoptr(entry.value, PTR)
    handler = link.builder.load(pointer, typ=_handler_pointer(module))
    link.tail_call(handler, pointer, link.left, delta.value)


def _handler_pointer(module: NativeModule) -> Any:
    return module.handler("op_stop").ftype.as_pointer()


def _entry_number(link: Instruction) -> NativeWord:
    return link.word(link.builder.ptrtoint(link.entry, I64))


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


def _op_refetch(module: NativeModule) -> None:
    """Page tables changed since this page was entered: translate pc again."""
    link = Instruction(module, "op_refetch")
    link.hart.pc = link.current_pc(link.hart)
    link.put_handler(_entry_number(link), "op_decode")
    link.tail_call("op_fetch", link.entry, link.left, link.delta)


def _op_stop(module: NativeModule) -> None:
    """The budget is used up before the instruction of this entry."""
    link = Instruction(module, "op_stop")
    link.before_call(link.hart)
    link.hart.stopped_at = _entry_number(link)
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

    def forget(index: NativeWord) -> None:
        lowering.forget_handler(page + (index << 4))

    lowering.loop(lowering.literal(0), PAGE // 2, forget)
    for index in (PAGE // 2, PAGE // 2 + 1):
        lowering.put_handler(page + (index << 4), "op_next_page")
    builder.ret_void()


def _run_slice(module: NativeModule) -> None:
    """run_slice(hart, budget): execute; `left` and `pc` of the hart tell how far it came."""
    function = _declared(module, "run_slice", VOID, [PTR, I64])
    lowering = NativeFunction(module, function)
    hart = NativeHart(lowering, function.args[0])
    refresh_context(hart)
    hart.stopped_at = hart.const(0)
    null = ir.Constant(PTR, None)
    data = lowering.builder.inttoptr(hart.data_table.value, PTR)
    args = [null, function.args[0], function.args[1], data, I64(0)]
    lowering.builder.call(module.handler("op_enter"), args, cconv=CONVENTION)
    lowering.call_outlined(hart, sample, ())
    lowering.builder.ret_void()


def _declared(module: NativeModule, name: str, result: Any, args: list[Any]) -> ir.Function:
    found = module.ir.globals.get(name)
    return found or ir.Function(module.ir, ir.FunctionType(result, args), name)


def _export(module: NativeModule, name: str, function: Callable[..., Any], arguments: int) -> None:
    """An entry point for Python: a dialect function of the cluster."""
    kind = ir.FunctionType(I64, [PTR, *[I64] * arguments])
    native = ir.Function(module.ir, kind, name)
    lowering = NativeFunction(module, native)
    cluster = NativeCluster(lowering, native.args[0])
    given = tuple(lowering.word(a) for a in native.args[1:])
    result = lowering.call_outlined(cluster, function, given)
    lowering.builder.ret(I64(0) if result is None else result.value)


def _export_handlers(module: NativeModule) -> None:
    """Where the handlers are, and what they are called, for regions to link with."""
    handlers = [f for f in module.ir.functions if f.ftype == HANDLER_TYPE]
    addresses = ir.ArrayType(PTR, len(handlers))
    table = ir.GlobalVariable(module.ir, addresses, "lockstep_handlers")
    table.initializer = ir.Constant(addresses, handlers)
    text = bytearray("\n".join(f.name for f in handlers).encode() + b"\0")
    names = ir.GlobalVariable(module.ir, ir.ArrayType(I8, len(text)), "lockstep_handler_names")
    names.initializer = ir.Constant(names.value_type, text)
    for each in (table, names):
        each.global_constant = True
