"""Guest code as instructions that were executed, and where each leads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from lockstep.cpu.layout import PAGE
from lockstep.cpu.native.messages import Order
from lockstep.isa.table import Insn, decode

_BRANCHES: Final = frozenset(("beq", "bne", "blt", "bge", "bltu", "bgeu", "c.beqz", "c.bnez"))
_DIRECT: Final = frozenset(("jal", "c.j"))
_INDIRECT: Final = frozenset(("jalr", "c.jr", "c.jalr"))

_FOREIGN_EXTENSIONS: Final = frozenset(("PRIV", "Zicsr", "Zicbom", "Zicboz"))
_FOREIGN: Final = frozenset(("c.ebreak",))


class Step(NamedTuple):
    """An instruction at the place `at`, see Code."""

    at: int
    insn: Insn
    operands: Mapping[str, int]
    word: int

    @property
    def end(self) -> int:
        """Where the next one in memory is."""
        return self.at + self.insn.length

    @property
    def target(self) -> int | None:
        """Where it jumps, or may jump; None: not at all, or nobody knows where."""
        if self.insn.name in _BRANCHES or self.insn.name in _DIRECT:
            return self.at + self.operands["imm"]
        return None

    @property
    def goes_on(self) -> bool:
        """Whether the next one in memory may follow it."""
        return self.insn.name not in _DIRECT and self.insn.name not in _INDIRECT

    @property
    def links(self) -> bool:
        """Whether it leaves a return address: a call, as a rule."""
        if self.insn.name == "c.jalr":
            return True
        return self.insn.name in ("jal", "jalr") and self.operands["rd"] != 0

    @property
    def ends_block(self) -> bool:
        return self.target is not None or not self.goes_on


@dataclass(frozen=True)
class Code:
    """What was executed of a page and those beside it, but for what is left to the interpreter.

    Places are bytes from the start of the page that regions are made for, its home; those beside it
    are at -4096 and 4096. `stamps` tells what a page beside it must be, by its number.
    """

    steps: Mapping[int, Step]
    stamps: Mapping[int, bytes] = field(default_factory=dict)

    @classmethod
    def read(cls, order: Order, foreign: frozenset[str]) -> Code:
        """Decode what was executed."""
        steps = dict(_steps(order.code, order.executed, 0, foreign))
        for side in order.sides:
            steps |= _steps(side.code, side.executed, side.number * PAGE, foreign)
        return cls(steps, {side.number: side.stamp for side in order.sides})


def page_of(at: int) -> int:
    """The number of the page that a place is on; 0 is home."""
    return at // PAGE


def _steps(
    page: bytes, executed: Iterable[int], base: int, foreign: frozenset[str]
) -> Iterator[tuple[int, Step]]:
    for offset in executed:
        step = _step(page, offset, base)
        if step is not None and not _is_foreign(step, foreign):
            yield step.at, step


def _step(page: bytes, offset: int, base: int) -> Step | None:
    """None: it encodes nothing, or ends on another page."""
    word = int.from_bytes(page[offset : offset + 4], "little")
    if word & 3 != 3:
        word &= 0xFFFF
    elif offset + 4 > PAGE:
        return None
    insn = decode(word)
    return None if insn is None else Step(base + offset, insn, insn.operands(word), word)


def _is_foreign(step: Step, foreign: frozenset[str]) -> bool:
    insn = step.insn
    return insn.ext in _FOREIGN_EXTENSIONS or insn.name in _FOREIGN or insn.name in foreign
