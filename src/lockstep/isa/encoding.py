"""Encodings as the manual prints them: a pattern string becomes mask, match and operand fields."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

# name -> (operand, low bit, width, what is added to the extracted number)
_FIXED: Final[dict[str, tuple[str, int]]] = {
    "rd": ("rd", 5),
    "rs1": ("rs1", 5),
    "rs2": ("rs2", 5),
    "rs3": ("rs3", 5),
    "rm": ("rm", 3),
    "csr": ("csr", 12),
    "zimm": ("zimm", 5),
    "shamt5": ("shamt", 5),
    "shamt6": ("shamt", 6),
    "rd'": ("rd", 3),
    "rs1'": ("rs1", 3),
    "rs2'": ("rs2", 3),
    "rd/rs1": ("rd", 5),
    "rd'/rs1'": ("rd", 3),
}
_IGNORED: Final = {"aq": 1, "rl": 1, "fm": 4, "pred": 4, "succ": 4}
_IMMEDIATE: Final = re.compile(r"(nz)?(u?)imm\[([\d:|]+)\]$")
_CONDITION: Final = re.compile(r"(.+?)!=(\d+|\{[\d,]+\})$")


@dataclass(frozen=True)
class Piece:
    """`width` bits of the instruction word at `low`, placed at bit `at` of the operand."""

    low: int
    width: int
    at: int


@dataclass(eq=False)
class Operand:
    """One operand: its pieces, signedness, bias (8 for compressed registers), refused values."""

    name: str
    pieces: list[Piece] = field(default_factory=list)
    signed: bool = False
    bias: int = 0
    refused: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        return max(piece.at + piece.width for piece in self.pieces)

    def extract(self, word: int) -> int:
        """The operand's value in `word`; signed operands come out negative where due."""
        value = 0
        for piece in self.pieces:
            value |= (word >> piece.low & ((1 << piece.width) - 1)) << piece.at
        if self.signed and value >> (self.width - 1):
            value -= 1 << self.width
        return value + self.bias


@dataclass(frozen=True, eq=False)
class Encoding:
    """A parsed pattern."""

    pattern: str
    length: int  # bytes
    mask: int
    match: int
    operands: tuple[Operand, ...]

    def matches(self, word: int) -> bool:
        if word & self.mask != self.match:
            return False
        return all(o.extract(word) - o.bias not in o.refused for o in self.operands if o.refused)


def parse(pattern: str) -> Encoding:
    """Parse e.g. "0000000 rs2 rs1 000 rd 0110011". Raises ValueError if bits do not add up."""
    tokens = pattern.split()
    total = sum(_width(token) for token in tokens)
    if total not in (16, 32):
        raise ValueError(f"{pattern!r} has {total} bits")
    at, mask, match = total, 0, 0
    operands: dict[str, Operand] = {}
    for token in tokens:
        width = _width(token)
        at -= width
        if set(token) <= {"0", "1"}:
            mask |= ((1 << width) - 1) << at
            match |= int(token, 2) << at
        elif token not in _IGNORED:
            _add(operands, token, at, width)
    return Encoding(pattern, total // 8, mask, match, tuple(operands.values()))


def _width(token: str) -> int:
    token, _ = _split_condition(token)
    if set(token) <= {"0", "1"}:
        return len(token)
    if token in _IGNORED:
        return _IGNORED[token]
    if token in _FIXED:
        return _FIXED[token][1]
    return sum(high - low + 1 for high, low in _ranges(token))


def _split_condition(token: str) -> tuple[str, tuple[int, ...]]:
    found = _CONDITION.match(token)
    if not found:
        return token, ()
    return found[1], tuple(int(n) for n in found[2].strip("{}").split(","))


def _ranges(token: str) -> list[tuple[int, int]]:
    found = _IMMEDIATE.match(token)
    if not found:
        raise ValueError(f"unknown field {token!r}")
    pairs = []
    for part in found[3].split("|"):
        high, _, low = part.partition(":")
        pairs.append((int(high), int(low or high)))
    return pairs


def _add(operands: dict[str, Operand], token: str, at: int, width: int) -> None:
    token, refused = _split_condition(token)
    if token in _FIXED:
        name, _ = _FIXED[token]
        bias = 8 if token.endswith("'") else 0
        operands[name] = Operand(name, [Piece(at, width, 0)], bias=bias, refused=refused)
        return
    found = _IMMEDIATE.match(token)
    assert found
    name = found[2] + "imm"
    operand = operands.setdefault(name, Operand(name, signed=not found[2]))
    if found[1]:
        operand.refused = (0,)
    if refused:
        operand.refused = refused
    low = at + width
    for high, bottom in _ranges(token):
        size = high - bottom + 1
        low -= size
        operand.pieces.append(Piece(low, size, bottom))
