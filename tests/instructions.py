"""Instructions by name: their words, operands worth trying, and one of them run on a fake hart."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from hypothesis import strategies as st

from fakes.hart import FakeHart
from lockstep.isa.table import Insn, table

_EDGES = (1 << 64) - 1, 1 << 63, 1 << 32, 1 << 31, 1 << 16, 1 << 8, 1 << 5, 1 << 6, 2, 1, 0
CORNERS = sorted({(edge + delta) % (1 << 64) for edge in _EDGES for delta in (-1, 0, 1)})
WORDS = st.one_of(
    st.sampled_from(CORNERS),
    st.integers(0, (1 << 64) - 1),
    st.integers(-(1 << 31), (1 << 32) - 1).map(lambda n: n % (1 << 64)),
    st.builds(lambda high, low: (1 << high) - (1 << low) & ((1 << 64) - 1),
              st.integers(0, 64), st.integers(0, 64)),
)  # fmt: skip


@cache
def named(name: str) -> Insn:
    """The instruction called `name`; the first, if several encodings share it."""
    return next(one for one in table() if one.name == name)


def encode(name: str, **operands: int) -> int:
    """The word of the instruction called `name`; see `assemble`."""
    return assemble(named(name), operands)


def assemble(one: Insn, operands: Mapping[str, int]) -> int:
    """The word of an instruction; operands not given are zero. Refuses what does not fit."""
    encoding, rest = one.encoding, dict(operands)
    word = encoding.match
    for operand in encoding.operands:
        value = rest.pop(operand.name, operand.bias)
        for piece in operand.pieces:
            part = (value - operand.bias) >> piece.at & ((1 << piece.width) - 1)
            word |= part << piece.low
        assert operand.extract(word) == value, f"{one.name} cannot hold {operand.name}={value}"
    assert not rest, f"{one.name} takes no {', '.join(rest)}"
    return word


def compute(name: str, a: int, b: int | None = None, **immediate: int) -> int:
    """What an instruction computes from rs1 = a (and rs2 = b) and an immediate."""
    hart = FakeHart()
    registers = {"rd": 10, "rs1": 11}
    hart.x[11] = a
    if b is not None:
        registers["rs2"] = 12
        hart.x[12] = b
    assert hart.execute(encode(name, **registers, **immediate)) == hart.next_pc.value
    result: int = hart.x[10].value
    return result


def unsigned(value: int, bits: int = 64) -> int:
    """The low bits of a number, as a number from zero up."""
    return value & ((1 << bits) - 1)


def signed(value: int, bits: int = 64) -> int:
    """The low bits of a number, as two's complement."""
    low = unsigned(value, bits)
    return low - (1 << bits) if low >> (bits - 1) else low
