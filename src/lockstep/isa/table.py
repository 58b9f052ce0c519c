"""The instruction table: one decorator, from which decoder, engines and disassembler derive."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Final, TypeVar

from lockstep.isa.encoding import Encoding, parse

F = TypeVar("F", bound=Callable[..., None])

EXTENSION_MODULES: Final = (
    "rv64i", "m", "a", "f", "d", "c", "zicsr", "zb", "zicbo", "priv",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Insn:
    """One instruction: what it is called, how it is encoded, what it does."""

    name: str
    ext: str
    encoding: Encoding
    semantics: Callable[..., None]
    asm: str = ""

    @property
    def length(self) -> int:
        """Bytes: 2 or 4."""
        return self.encoding.length

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The operands that the semantics take, by name."""
        return tuple(inspect.signature(self.semantics).parameters)[1:]

    def operands(self, word: int) -> dict[str, int]:
        return {o.name: o.extract(word) for o in self.encoding.operands}


_collected: list[Insn] = []


def insn(pattern: str, *, name: str = "", ext: str = "", asm: str = "") -> Callable[[F], F]:
    """Enter the decorated function into the table under `pattern` (see isa/encoding)."""

    def enter(function: F) -> F:
        title = name or function.__name__.strip("_").replace("_", ".")
        home = ext or function.__module__.rpartition(".")[2].upper()
        _collected.append(Insn(title, home, parse(pattern), function, asm))
        return function

    return enter


@cache
def table() -> tuple[Insn, ...]:
    """Every instruction, frozen. Refuses two that could match the same word.

    The order is the same in every process, whichever module of an extension was imported first:
    compiled code that is kept knows handlers by number.
    """
    order = [f"lockstep.isa.ext.{module}" for module in EXTENSION_MODULES]
    for module in order:
        importlib.import_module(module)
    _refuse_overlap(_collected)
    return tuple(sorted(_collected, key=lambda one: order.index(one.semantics.__module__)))


def _refuse_overlap(insns: Sequence[Insn]) -> None:
    """Overlap is allowed only where one pattern is strictly more specific (its mask is larger)."""
    for index, one in enumerate(insns):
        for two in insns[index + 1 :]:
            a, b = one.encoding, two.encoding
            if a.length != b.length or (a.match ^ b.match) & a.mask & b.mask:
                continue
            if a.mask == b.mask and not _told_apart(a, b):
                raise ValueError(f"{one.name} and {two.name} overlap")


def _told_apart(a: Encoding, b: Encoding) -> bool:
    return any(o.refused for o in (*a.operands, *b.operands))


@cache
def _buckets() -> dict[tuple[int, int], tuple[Insn, ...]]:
    found: dict[tuple[int, int], list[Insn]] = {}
    for one in table():
        for key in range(128 if one.length == 4 else 32):
            sample = _spread(key, one.length)
            if not (sample ^ one.encoding.match) & one.encoding.mask & _selector(one.length):
                found.setdefault((one.length, key), []).append(one)
    return {key: tuple(sorted(some, key=specificity)) for key, some in found.items()}


def specificity(one: Insn) -> int:
    """Sort key: more fixed bits first, so that the special case precedes the general."""
    refusals = sum(len(o.refused) for o in one.encoding.operands)
    return -(one.encoding.mask.bit_count() * 64 + refusals)


def _selector(length: int) -> int:
    return 0x7F if length == 4 else 0xE003


def _spread(key: int, length: int) -> int:
    return key if length == 4 else (key & 3) | (key >> 2) << 13


def decode(word: int) -> Insn | None:
    """The instruction that `word` (its low 16 bits if compressed) encodes, or None."""
    if word & 3 == 3:
        bucket = _buckets().get((4, word & 0x7F), ())
    else:
        word &= 0xFFFF
        bucket = _buckets().get((2, (word & 3) | (word >> 13) << 2), ())
    for one in bucket:
        if one.encoding.matches(word):
            return one
    return None


OperandValues = dict[str, Any]
