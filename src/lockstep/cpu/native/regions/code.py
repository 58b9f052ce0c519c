"""A page of guest code as instructions that were executed, and where each leads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from lockstep.cpu.layout import PAGE
from lockstep.isa.table import Insn, decode

_BRANCHES: Final = frozenset(("beq", "bne", "blt", "bge", "bltu", "bgeu", "c.beqz", "c.bnez"))
_DIRECT: Final = frozenset(("jal", "c.j"))
_INDIRECT: Final = frozenset(("jalr", "c.jr", "c.jalr"))

_FOREIGN_EXTENSIONS: Final = frozenset(("PRIV", "Zicsr", "Zicbom", "Zicboz"))
_FOREIGN: Final = frozenset(("c.ebreak",))


class Step(NamedTuple):
    """An instruction at `at` bytes from the start of its page."""

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
    """What was executed of a page, by place, but for what regions leave to the interpreter."""

    steps: Mapping[int, Step]

    @classmethod
    def read(cls, page: bytes, executed: frozenset[int], foreign: frozenset[str]) -> Code:
        """Decode the instructions that begin at the offsets `executed`."""
        steps = {}
        for at in executed:
            step = _step(page, at)
            if step is not None and not _is_foreign(step, foreign):
                steps[at] = step
        return cls(steps)


def _step(page: bytes, at: int) -> Step | None:
    """None: it encodes nothing, or ends on another page."""
    word = int.from_bytes(page[at : at + 4], "little")
    if word & 3 != 3:
        word &= 0xFFFF
    elif at + 4 > PAGE:
        return None
    insn = decode(word)
    return None if insn is None else Step(at, insn, insn.operands(word), word)


def _is_foreign(step: Step, foreign: frozenset[str]) -> bool:
    insn = step.insn
    return insn.ext in _FOREIGN_EXTENSIONS or insn.name in _FOREIGN or insn.name in foreign
