"""A region as one piece of threaded code.

Only what is simple happens here. Whatever is not (a translation that is not cached, a trap, too
little budget for a whole block) is left to the interpreter: the region ends before that
instruction, with all registers written down, as if it had never known it. So exceptions and counts
are precise by construction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lockstep.cpu.layout import PAGE, STAMP_OFFSET
from lockstep.cpu.native.functions import LIKELY, NativeModule
from lockstep.cpu.native.instruction import OPERAND_BYTES
from lockstep.cpu.native.lower import LoweringError
from lockstep.cpu.native.regions.border import Border
from lockstep.cpu.native.regions.code import Step, page_of
from lockstep.cpu.native.regions.shape import Block, Shape
from lockstep.cpu.native.vocabulary import TRANSLATIONS, NativeHart
from lockstep.cpu.native.words import I64, NativeBool, NativeWord


class Foreign(LoweringError):
    """An instruction that only the interpreter can do."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Region(Border):
    """Lowers a shape. `stamps` tells what the pages beside it must be, see Code."""

    def __init__(
        self, module: NativeModule, name: str, shape: Shape, stamps: Mapping[int, bytes]
    ) -> None:
        super().__init__(module, name, shape)
        self._stamps = stamps
        self._starts = {at: self._block() for at in shape.blocks}
        self._step: Step = next(iter(shape.blocks.values()))[0]
        self._unspent = 0  # instructions of the block that the current one and those after it are
        self._effect = False
        self.open(self._starts)
        for at, block in shape.blocks.items():
            self._lower(at, block)
        self.close()

    # Blocks.
    def _lower(self, at: int, block: Block) -> None:
        builder = self.builder
        builder.position_at_end(self._starts[at])
        left = builder.load(self.budget)
        short, begin = self._block(), self._block()
        enough = builder.icmp_unsigned(">=", left, I64(len(block)))
        builder.cbranch(enough, begin, short).set_weights(LIKELY)
        builder.position_at_end(short)
        self.stop_at(at, left, "left_short")
        builder.position_at_end(begin)
        self._rest = builder.sub(left, I64(len(block)))
        builder.store(self._rest, self.budget)
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
        return value if name in OPERAND_BYTES else self.literal(value)

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
            self.stop_at(at, self._rest, "left_near")
        else:
            self.go_far(self.page_pc + at, self._rest, "left_page")

    def _cross_to(self, page: int, at: int) -> None:
        """Go on, if the page that this was compiled for is mapped there, or else leave.

        What is mapped and what is on a page cannot change inside the region: that takes a store
        which is the interpreter's. So the way home need not be asked for.
        """
        start: NativeWord = self.page_pc + page * PAGE
        slot = self.hart.fetch_slot(start)
        elsewhere = self._block()
        self._demand(slot, start.value, elsewhere)
        first = self.hart.host_load(slot + 8, 8, TRANSLATIONS)
        stamp = self._stamps[page]
        for byte in range(0, len(stamp), 8):
            word = I64(int.from_bytes(stamp[byte : byte + 8], "little"))
            self._demand(first + (STAMP_OFFSET + byte), word, elsewhere)
        here = self.builder.block
        self.builder.position_at_end(elsewhere)
        self.go_far(self.page_pc + at, self._rest, "left_page")
        self.builder.position_at_end(here)
        self.note_side(page, first.value)

    def _demand(self, address: NativeWord, value: Any, otherwise: Any) -> None:
        """Go on if the word at a host address is `value`."""
        found = self.hart.host_load(address, 8, TRANSLATIONS)
        same = self.builder.icmp_unsigned("==", found.value, value)
        following = self._block()
        self.builder.cbranch(same, following, otherwise).set_weights(LIKELY)
        self.builder.position_at_end(following)

    def _jump(self, target: NativeWord) -> None:
        """An indirect jump. Where calls of this region come back to is known beforehand."""
        elsewhere = self._block()
        switch = self.builder.switch((target - self.page_pc).value, elsewhere)
        for at in [] if self._step.links else self._returns():
            case = self._block()
            switch.add_case(I64(at), case)
            self.builder.position_at_end(case)
            self._go(at)
        self.builder.position_at_end(elsewhere)
        self.go_far(target, self._rest, "left_computed")

    def _returns(self) -> list[int]:
        calls = (block[-1] for block in self.shape.blocks.values())
        return sorted(
            {c.end for c in calls if c.links and c.target in self._starts and c.end in self._starts}
        )

    # The vocabulary, as it is here.
    def current_pc(self, hart: NativeHart) -> NativeWord:
        return self.page_pc + self._step.at

    def budget_left(self, hart: NativeHart) -> NativeWord:
        return self.word(self.builder.add(self._rest, I64(self._unspent)))

    def either_way(
        self, likely: NativeBool, fast: Callable[[], Any], slow: Callable[[], Any]
    ) -> Any:
        """The fast way, or else the interpreter does this instruction."""
        go, give_up = self._block(), self._block()
        self.builder.cbranch(likely.value, go, give_up).set_weights(LIKELY)
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
        self.stop_at(self._step.at, left, "left_hard")
        self.dead = True

    def note_effect(self) -> None:
        """The current instruction changes something: from here on it must be done as a whole."""
        self._effect = True

    def refuse(self) -> None:
        """This instruction cannot be part of a region."""
        raise Foreign(self._step.insn.name)

    def call_outlined(self, receiver: Any, function: Any, args: Any) -> Any:
        self.refuse()
