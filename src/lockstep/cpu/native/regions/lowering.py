"""A region as one piece of threaded code.

It replaces the handler of each of its entries, so entering it costs nothing, and leaves by a tail
call of whatever handler is next: another region's, or the interpreter's. Only what is simple
happens here. Whatever is not (a translation that is not cached, a trap, too little budget for a
whole block) is left to the interpreter: the region ends before that instruction, with all registers
written down, as if it had never known it. So exceptions and counts are precise by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from llvmlite import ir

from lockstep.cpu.layout import ENTRY_BYTES, F_OFFSET, HART_OFFSET, PAGE, STAMP_OFFSET, X_OFFSET
from lockstep.cpu.native.functions import HANDLER_TYPE, NativeModule
from lockstep.cpu.native.instruction import handler_name
from lockstep.cpu.native.lower import LoweringError
from lockstep.cpu.native.regions.code import Step, page_of
from lockstep.cpu.native.regions.floats import region_version
from lockstep.cpu.native.regions.shape import Block, Shape
from lockstep.cpu.native.threaded import Threaded
from lockstep.cpu.native.vocabulary import STATE, TRANSLATIONS, NativeHart, Registers
from lockstep.cpu.native.words import I8, I64, PTR, NativeBool, NativeWord

_SCALE: Final = ENTRY_BYTES // 2  # bytes of decoded entries for a byte of code
_LIKELY: Final = [4000, 1]
_REGISTERS: Final = ("rd", "rs1", "rs2", "rs3")


class Foreign(LoweringError):
    """An instruction that only the interpreter can do."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class _RegionRegisters(Registers):
    """Registers by static number; some are local, and what is written to x0 is not computed."""

    def _slot(self, index: Any) -> Any:
        return self.hart.lowering.local(self.offset + 8 * index) or super()._slot(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.hart.lowering.note_effect()
        if not (self.hardwired and index == 0):
            self.hart.lowering.note_write(self.offset + 8 * index)
            super().__setitem__(index, value)


class RegionHart(NativeHart):
    """The hart inside a region: what is out of the ordinary leaves the region."""

    registers = _RegionRegisters

    def __setattr__(self, name: str, value: Any) -> None:
        self.lowering.note_effect()
        super().__setattr__(name, value)

    def host_store(
        self, address: NativeWord, size: int, value: NativeWord, memory: str = ""
    ) -> None:
        self.lowering.note_effect()
        super().host_store(address, size, value, memory)

    def trap(self, cause: Any, tval: Any) -> None:
        self.lowering.leave_to_interpreter()

    def leave(self) -> None:
        self.lowering.leave_to_interpreter()

    def resync(self) -> None:
        self.lowering.refuse()

    def invoke(self, function: Any, args: tuple[Any, ...], outlined: bool) -> Any:
        here = region_version(function)
        return super().invoke(function, args, outlined) if here is None else here(self, *args)


class _Exit:
    """A block where many paths meet, each with its own values."""

    def __init__(self, lowering: Region, *kinds: Any) -> None:
        self._builder = lowering.builder
        self._block = lowering.builder.append_basic_block()
        self._kinds = kinds
        self._paths: list[tuple[Any, tuple[Any, ...]]] = []

    def come(self, *values: Any) -> None:
        """End the current path here."""
        self._paths.append((self._builder.block, values))
        self._builder.branch(self._block)

    def enter(self) -> list[Any] | None:
        """Go on from here; what the paths brought. None: no path comes here."""
        self._builder.position_at_end(self._block)
        if not self._paths:
            self._builder.unreachable()
            return None
        phis = [self._builder.phi(kind) for kind in self._kinds]
        for block, values in self._paths:
            for phi, value in zip(phis, values, strict=True):
                phi.add_incoming(value, block)
        return phis


def _register_numbers(shape: Shape) -> frozenset[int]:
    """Registers that small loops name; x0 is none."""
    steps = (step for loop in shape.small_loops for step in loop)
    named = {step.operands.get(name, 0) for step in steps for name in _REGISTERS}
    return frozenset(named - {0})


class Region(Threaded):
    """Lowers a shape."""

    def __init__(
        self, module: NativeModule, name: str, shape: Shape, stamps: Mapping[int, int]
    ) -> None:
        super().__init__(module, name)
        self._shape = shape
        self._stamps = stamps
        self.hart = RegionHart(self, self.hart_pointer)
        self._local_numbers = _register_numbers(shape)
        self._locals: dict[int, Any] = {}  # by the register's offset
        self._written: set[int] = set()
        builder = self.builder
        self._prologue = builder.block
        builder.position_at_end(self._block())
        self._body = builder.block
        entered: Any = self.current_pc(self.hart)
        self._page_pc = entered & -PAGE
        back = builder.neg(builder.mul((entered & (PAGE - 1)).value, I64(_SCALE)))
        self._page_entry = builder.gep(self.entry, [back], source_etype=I8)
        self._budget = self._cell()  # left
        builder.store(self.left, self._budget)
        # Decoded entry, delta, handler (null: the entry's), budget, offset of a counter.
        self._near = _Exit(self, PTR, I64, PTR, I64, I64)
        self._far = _Exit(self, I64, I64)  # pc, budget
        self._side_entries = {number: self._cell() for number in stamps}
        self._starts = {at: self._block() for at in shape.blocks}
        self._step: Step = next(iter(shape.blocks.values()))[0]
        self._unspent = 0  # instructions of the block that the current one and those after it are
        self._effect = False
        self._dispatch(entered)
        for at, block in shape.blocks.items():
            self._lower(at, block)
        self._leave_near()
        self._leave_far()
        self._begin()

    # Local registers: loaded where the region is entered, stored where it is left. What is used in
    # a loop is worth it; everything else stays in the hart's block, where no exit need store it.
    def local(self, offset: int) -> Any:
        """Where the register at `offset` of the hart's block is kept; None: there.

        Float registers stay there: as local integers they would have to leave the host's FPU.
        """
        if offset >= F_OFFSET or (offset - X_OFFSET) // 8 not in self._local_numbers:
            return None
        if offset not in self._locals:
            self._locals[offset] = self._cell()
        return self._locals[offset]

    def note_write(self, offset: int) -> None:
        """The register at `offset` is not what it was."""
        self._written.add(offset)

    def _cell(self) -> Any:
        with self.builder.goto_block(self._prologue):
            return self.builder.alloca(I64)

    def _begin(self) -> None:
        builder = self.builder
        builder.position_at_end(self._prologue)
        for offset, cell in self._locals.items():
            loaded = self.tagged(builder.load(self.hart.slot(offset), typ=I64), STATE)
            builder.store(loaded, cell)
        builder.branch(self._body)

    def _store_locals(self) -> None:
        for offset in sorted(self._locals.keys() & self._written):
            value = self.builder.load(self._locals[offset])
            self.tagged(self.builder.store(value, self.hart.slot(offset)), STATE)

    # Where execution enters and leaves.
    def _dispatch(self, entered: NativeWord) -> None:
        first, *others = self._shape.entries
        if not others:
            self.builder.branch(self._starts[first])
            return
        nowhere = self._block()
        switch = self.builder.switch((entered & (PAGE - 1)).value, nowhere)
        for at in self._shape.entries:
            switch.add_case(I64(at), self._starts[at])
        self.builder.position_at_end(nowhere)
        self.builder.unreachable()

    def _stop_at(self, at: int, left: Any, reason: str) -> None:
        """End this path: the instruction at `at` of this page is the next, with `left` to go."""
        handler: Any = ir.Constant(PTR, None)
        if at in self._shape.entries:
            # Its entry leads back here: name the interpreter's own handler.
            handler = self.module.handler(self._handler_name(self._shape.blocks[at][0]))
        entry, delta = self._entry_at(at)
        self._near.come(entry, delta, handler, left, I64(HART_OFFSET[reason]))

    def _entry_at(self, at: int) -> tuple[Any, Any]:
        """The decoded entry of a place on the current page, and the delta that goes with it."""
        builder, page = self.builder, page_of(at)
        if page == 0:
            entry = builder.gep(self._page_entry, [I64(at * _SCALE)], source_etype=I8)
            return entry, self.delta
        first = builder.load(self._side_entries[page])
        entry = builder.add(first, I64((at - page * PAGE) * _SCALE))
        pc: NativeWord = self._page_pc + at
        delta = builder.sub(pc.value, builder.lshr(entry, I64(3)))
        return builder.inttoptr(entry, PTR), delta

    def _handler_name(self, step: Step) -> str:
        far = step.target is not None and page_of(step.target) != page_of(step.at)
        return handler_name(step.insn, far=far)

    def _account(self, left: Any, counter: Any) -> None:
        """Write down what was done here, and why it ends."""
        self._store_locals()
        builder, hart = self.builder, self.hart
        hart.in_regions = hart.in_regions + self.word(builder.sub(self.left, left))
        slot = builder.gep(self.hart_pointer, [counter], source_etype=I8)
        builder.store(builder.add(builder.load(slot, typ=I64), I64(1)), slot)

    def _leave_near(self) -> None:
        brought = self._near.enter()
        if brought is None:
            return
        builder = self.builder
        entry, delta, named, left, counter = brought
        self._account(left, counter)
        is_named = builder.icmp_unsigned("!=", named, ir.Constant(PTR, None))
        usual = builder.load(entry, typ=HANDLER_TYPE.as_pointer())
        handler = builder.select(is_named, named, usual)
        spent = builder.icmp_unsigned("==", left, I64(0))
        handler = builder.select(spent, self.module.handler("op_stop"), handler)
        self.tail_call(handler, entry, left, delta)

    def _leave_far(self) -> None:
        brought = self._far.enter()
        if brought is None:
            return
        pc, left = brought
        self._account(left, I64(HART_OFFSET["left_far"]))
        self.go_to(self.word(pc), left)

    # Blocks.
    def _lower(self, at: int, block: Block) -> None:
        builder = self.builder
        builder.position_at_end(self._starts[at])
        left = builder.load(self._budget)
        short, begin = self._block(), self._block()
        enough = builder.icmp_unsigned(">=", left, I64(len(block)))
        builder.cbranch(enough, begin, short).set_weights(_LIKELY)
        builder.position_at_end(short)
        self._stop_at(at, left, "left_short")
        builder.position_at_end(begin)
        self._rest = builder.sub(left, I64(len(block)))
        builder.store(self._rest, self._budget)
        for number, step in enumerate(block):
            self._unspent = len(block) - number
            self._lower_step(step)
            if self.dead:
                break
            assert step is block[-1] or self.control is None, f"{step.insn.name} jumps"
        if not self.dead:
            self.finish()
        self.dead = self.finished = False

    def _lower_step(self, step: Step) -> None:
        self._step = step
        self._effect = False
        self.ilen = step.insn.length
        self.control = None
        operands = (self._operand(step, name) for name in step.insn.parameters)
        self.inline(step.insn.semantics, (self.hart, *operands))

    def _operand(self, step: Step, name: str) -> Any:
        value = step.operands[name]
        return value if name in _REGISTERS else self.literal(value)

    def finish(self) -> None:
        """Go where this path of the block's last instruction goes."""
        if self.control is None:
            self._go(self._step.end)
            return
        kind, word = self.control
        if kind == "by":
            offset = word.value.constant
            self._go(self._step.at + (offset - (1 << 64) if offset >> 63 else offset))
        else:
            self._jump(word)

    def _go(self, at: int) -> None:
        page = page_of(at)
        stays = page == page_of(self._step.at)
        if at in self._starts:
            if not (stays or page == 0):
                self._cross_to(page, at)
            self.builder.branch(self._starts[at])
        elif stays:
            self._stop_at(at, self._rest, "left_near")
        else:
            self._go_far(self._page_pc + at)

    def _cross_to(self, page: int, at: int) -> None:
        """Go on, if the page that this was compiled for is mapped there, or else leave.

        What is mapped and what is on a page cannot change inside the region: that takes a store
        which is the interpreter's. So the way home need not be asked for.
        """
        builder = self.builder
        start: NativeWord = self._page_pc + page * PAGE
        slot = self.hart.fetch_slot(start)
        elsewhere, mapped, same = (self._block() for _ in range(3))
        tag = self.hart.host_load(slot, 8, TRANSLATIONS)
        found = builder.icmp_unsigned("==", tag.value, start.value)
        builder.cbranch(found, mapped, elsewhere).set_weights(_LIKELY)
        builder.position_at_end(mapped)
        first = self.hart.host_load(slot + 8, 8, TRANSLATIONS)
        stamp = self.hart.host_load(first + STAMP_OFFSET, 8, TRANSLATIONS)
        known = builder.icmp_unsigned("==", stamp.value, I64(self._stamps[page]))
        builder.cbranch(known, same, elsewhere).set_weights(_LIKELY)
        builder.position_at_end(elsewhere)
        self._go_far(self._page_pc + at)
        builder.position_at_end(same)
        builder.store(first.value, self._side_entries[page])

    def _go_far(self, target: NativeWord) -> None:
        self._far.come(target.value, self._rest)

    def _jump(self, target: NativeWord) -> None:
        """An indirect jump. Where calls of this region come back to is known beforehand."""
        known = [] if self._step.links else self._returns()
        if not known:
            self._go_far(target)
            return
        elsewhere = self._block()
        switch = self.builder.switch((target - self._page_pc).value, elsewhere)
        for at in known:
            case = self._block()
            switch.add_case(I64(at), case)
            self.builder.position_at_end(case)
            self._go(at)
        self.builder.position_at_end(elsewhere)
        self._go_far(target)

    def _returns(self) -> list[int]:
        calls = (block[-1] for block in self._shape.blocks.values())
        return sorted(
            {c.end for c in calls if c.links and c.target in self._starts and c.end in self._starts}
        )

    # The vocabulary, as it is here.
    def current_pc(self, hart: NativeHart) -> NativeWord:
        if not hasattr(self, "_page_pc"):
            return super().current_pc(hart)
        return self._page_pc + self._step.at  # type: ignore[no-any-return]

    def budget_left(self, hart: NativeHart) -> NativeWord:
        return self.word(self.builder.add(self._rest, I64(self._unspent)))

    def either_way(
        self, likely: NativeBool, fast: Callable[[], Any], slow: Callable[[], Any]
    ) -> Any:
        """The fast way, or else the interpreter does this instruction."""
        go, give_up = self._block(), self._block()
        self.builder.cbranch(likely.value, go, give_up).set_weights(_LIKELY)
        self.builder.position_at_end(give_up)
        self.leave_to_interpreter()
        self.dead = False
        self.builder.position_at_end(go)
        return fast()

    def leave_to_interpreter(self) -> None:
        """End this path before the current instruction, of which nothing is done yet."""
        if self._effect:
            self.refuse()
        left = self.builder.add(self._rest, I64(self._unspent))
        self._stop_at(self._step.at, left, "left_hard")
        self.dead = True

    def note_effect(self) -> None:
        """The current instruction changes something: from here on it must be done as a whole."""
        self._effect = True

    def refuse(self) -> None:
        raise Foreign(self._step.insn.name)

    def call_outlined(self, receiver: Any, function: Any, args: Any) -> Any:
        self.refuse()

    def tagged(self, access: Any, memory: str) -> Any:
        if memory:
            access.set_metadata("tbaa", self.module.memory_kind(memory))
        return access
