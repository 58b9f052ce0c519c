"""Where a region is entered, and where it is left.

It replaces the handler of each of its entries, so entering it costs nothing, and leaves by a tail
call of whatever handler is next: another region's, or the interpreter's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llvmlite import ir

from lockstep.cpu.layout import ENTRY_SHIFT, F_OFFSET, HART_OFFSET, PAGE, X_OFFSET
from lockstep.cpu.native.functions import HANDLER_TYPE, NativeModule
from lockstep.cpu.native.instruction import OPERAND_BYTES, handler_name
from lockstep.cpu.native.regions.code import Step, page_of
from lockstep.cpu.native.regions.hart import RegionHart
from lockstep.cpu.native.regions.shape import Shape
from lockstep.cpu.native.threaded import Threaded
from lockstep.cpu.native.vocabulary import STATE
from lockstep.cpu.native.words import I8, I64, PTR, NativeWord


class _Meeting:
    """A block where many paths meet, each with its own values."""

    def __init__(self, builder: Any, *kinds: Any) -> None:
        self._builder = builder
        self._block = builder.append_basic_block()
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


class _Locals:
    """Registers that are loaded where the region is entered, and stored where it is left.

    What is used in a small loop is worth it; everything else stays in the hart's block, where no
    exit need store it.
    """

    def __init__(self, border: Border, shape: Shape) -> None:
        self._border = border
        self._numbers = _numbers_in_small_loops(shape)
        self._cells: dict[int, Any] = {}  # by the register's offset in the hart's block
        self._written: set[int] = set()

    def cell(self, offset: int) -> Any:
        """Where the register at `offset` is kept; None: in the hart's block.

        Float registers stay there: as local integers they would have to leave the host's FPU.
        """
        if offset >= F_OFFSET or (offset - X_OFFSET) // 8 not in self._numbers:
            return None
        if offset not in self._cells:
            self._cells[offset] = self._border.new_cell()
        return self._cells[offset]

    def note_write(self, offset: int) -> None:
        """The register at `offset` is not what it was."""
        self._written.add(offset)

    def load(self) -> None:
        """Fetch all of them."""
        border, builder = self._border, self._border.builder
        for offset, cell in self._cells.items():
            slot = border.hart.slot(offset)
            builder.store(border.tagged(builder.load(slot, typ=I64), STATE), cell)

    def store(self) -> None:
        """Write back those that may have changed."""
        border, builder = self._border, self._border.builder
        for offset in sorted(self._cells.keys() & self._written):
            slot = border.hart.slot(offset)
            border.tagged(builder.store(builder.load(self._cells[offset]), slot), STATE)


def _numbers_in_small_loops(shape: Shape) -> frozenset[int]:
    """Registers that small loops name; x0 is none."""
    steps = (step for loop in shape.small_loops for step in loop)
    named = {step.operands.get(name, 0) for step in steps for name in OPERAND_BYTES}
    return frozenset(named - {0})


class Border(Threaded):
    """A region but for the blocks inside, which a subclass lowers between `open` and `close`."""

    def __init__(self, module: NativeModule, name: str, shape: Shape) -> None:
        super().__init__(module, name)
        self.shape = shape
        self.hart = RegionHart(self, self.hart_pointer)
        self.locals = _Locals(self, shape)
        builder = self.builder
        self._prologue = builder.block
        self._body = self._block()
        builder.position_at_end(self._body)
        self._entered: Any = self.entered_pc()
        self.page_pc = self._entered & -PAGE
        back = builder.neg(builder.shl((self._entered & (PAGE - 1)).value, I64(ENTRY_SHIFT)))
        self._page_entry = builder.gep(self.entry, [back], source_etype=I8)
        self.budget = self.new_cell()
        builder.store(self.left, self.budget)
        self._side_entries: dict[int, Any] = {}
        # Decoded entry, delta, handler (null: the entry's), budget, offset of a counter.
        self._near = _Meeting(builder, PTR, I64, PTR, I64, I64)
        self._far = _Meeting(builder, I64, I64, I64)  # pc, budget, offset of a counter

    def new_cell(self) -> Any:
        """A variable of this function, 64 bits."""
        with self.builder.goto_block(self._prologue):
            return self.builder.alloca(I64)

    def tagged(self, access: Any, memory: str) -> Any:
        if memory:
            access.set_metadata("tbaa", self.module.memory_kind(memory))
        return access

    def open(self, starts: Mapping[int, Any]) -> None:
        """Go from the entries to where they start."""
        first, *others = self.shape.entries
        if not others:
            self.builder.branch(starts[first])
            return
        nowhere = self._block()
        switch = self.builder.switch((self._entered & (PAGE - 1)).value, nowhere)
        for at in self.shape.entries:
            switch.add_case(I64(at), starts[at])
        self.builder.position_at_end(nowhere)
        self.builder.unreachable()

    def close(self) -> None:
        """Write the ways out, and the beginning, now that it is known what they need."""
        self._leave_near()
        self._leave_far()
        self.builder.position_at_end(self._prologue)
        self.locals.load()
        self.builder.branch(self._body)

    def note_side(self, page: int, first_entry: Any) -> None:
        """The path goes on on a page beside, whose decoded entries are here."""
        self.builder.store(first_entry, self._side_entry(page))

    def _side_entry(self, page: int) -> Any:
        if page not in self._side_entries:
            self._side_entries[page] = self.new_cell()
        return self._side_entries[page]

    # What a path ends with.
    def stop_at(self, at: int, left: Any, reason: str) -> None:
        """The instruction at `at`, on a page of this region, is the next, with `left` to go."""
        handler: Any = ir.Constant(PTR, None)
        if at in self.shape.entries:
            # Its entry leads back here: name the interpreter's own handler.
            handler = self.module.handler(_interpreters_own(self.shape.blocks[at][0]))
        entry, delta = self._entry_at(at)
        self._near.come(entry, delta, handler, left, I64(HART_OFFSET[reason]))

    def go_far(self, target: NativeWord, left: Any, reason: str) -> None:
        """The instruction at the virtual address `target`, wherever that is, is the next."""
        self._far.come(target.value, left, I64(HART_OFFSET[reason]))

    def _entry_at(self, at: int) -> tuple[Any, Any]:
        """The decoded entry of a place on the current page, and the delta that goes with it."""
        builder, page = self.builder, page_of(at)
        if page == 0:
            offset = I64(at << ENTRY_SHIFT)
            return builder.gep(self._page_entry, [offset], source_etype=I8), self.delta
        first = builder.load(self._side_entry(page))
        entry = builder.add(first, I64((at - page * PAGE) << ENTRY_SHIFT))
        pc: NativeWord = self.page_pc + at
        delta = builder.sub(pc.value, builder.lshr(entry, I64(ENTRY_SHIFT)))
        return builder.inttoptr(entry, PTR), delta

    def _account(self, left: Any, counter: Any) -> None:
        """Write down what was done here, and why it ends."""
        self.locals.store()
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
        pc, left, counter = brought
        self._account(left, counter)
        self.go_to(self.word(pc), left)


def _interpreters_own(step: Step) -> str:
    """The name of the handler that the interpreter has for an instruction."""
    far = step.target is not None and page_of(step.target) != page_of(step.at)
    return handler_name(step.insn, far=far)
