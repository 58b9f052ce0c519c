"""RV64I: arithmetic against Python's integers, memory, and where control goes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.hart import FakeHart
from instructions import WORDS, compute, encode, signed, unsigned

IMMEDIATES = st.integers(-2048, 2047)

REGISTER: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "sll": lambda a, b: a << b % 64,
    "slt": lambda a, b: signed(a) < signed(b),
    "sltu": lambda a, b: a < b,
    "xor": lambda a, b: a ^ b,
    "srl": lambda a, b: a >> b % 64,
    "sra": lambda a, b: signed(a) >> b % 64,
    "or": lambda a, b: a | b,
    "and": lambda a, b: a & b,
    "addw": lambda a, b: signed(a + b, 32),
    "subw": lambda a, b: signed(a - b, 32),
    "sllw": lambda a, b: signed(a << b % 32, 32),
    "srlw": lambda a, b: signed(unsigned(a, 32) >> b % 32, 32),
    "sraw": lambda a, b: signed(a, 32) >> b % 32,
}

IMMEDIATE: dict[str, Callable[[int, int], int]] = {
    "addi": lambda a, i: a + i,
    "slti": lambda a, i: signed(a) < i,
    "sltiu": lambda a, i: a < unsigned(i),
    "xori": lambda a, i: a ^ unsigned(i),
    "ori": lambda a, i: a | unsigned(i),
    "andi": lambda a, i: a & unsigned(i),
    "addiw": lambda a, i: signed(a + i, 32),
}

SHIFT: dict[str, Callable[[int, int], int]] = {
    "slli": lambda a, n: a << n,
    "srli": lambda a, n: a >> n,
    "srai": lambda a, n: signed(a) >> n,
    "slliw": lambda a, n: signed(a << n, 32),
    "srliw": lambda a, n: signed(unsigned(a, 32) >> n, 32),
    "sraiw": lambda a, n: signed(a, 32) >> n,
}

BRANCH: dict[str, Callable[[int, int], bool]] = {
    "beq": lambda a, b: a == b,
    "bne": lambda a, b: a != b,
    "blt": lambda a, b: signed(a) < signed(b),
    "bge": lambda a, b: signed(a) >= signed(b),
    "bltu": lambda a, b: a < b,
    "bgeu": lambda a, b: a >= b,
}

LOAD: dict[str, Callable[[int], int]] = {
    "lb": lambda v: signed(v, 8),
    "lh": lambda v: signed(v, 16),
    "lw": lambda v: signed(v, 32),
    "ld": lambda v: v,
    "lbu": lambda v: unsigned(v, 8),
    "lhu": lambda v: unsigned(v, 16),
    "lwu": lambda v: unsigned(v, 32),
}

STORE = {"sb": 1, "sh": 2, "sw": 4, "sd": 8}


@pytest.mark.parametrize("name", REGISTER)
@given(a=WORDS, b=WORDS)
def test_register_operations(name: str, a: int, b: int) -> None:
    assert compute(name, a, b) == unsigned(REGISTER[name](a, b))


@pytest.mark.parametrize("name", IMMEDIATE)
@given(a=WORDS, imm=IMMEDIATES)
def test_immediate_operations(name: str, a: int, imm: int) -> None:
    assert compute(name, a, imm=imm) == unsigned(IMMEDIATE[name](a, imm))


@pytest.mark.parametrize("name", SHIFT)
@given(a=WORDS, data=st.data())
def test_shifts_by_immediate(name: str, a: int, data: st.DataObject) -> None:
    shamt = data.draw(st.integers(0, 31 if name.endswith("w") else 63))
    assert compute(name, a, shamt=shamt) == unsigned(SHIFT[name](a, shamt))


@pytest.mark.parametrize("name", BRANCH)
@given(a=WORDS, b=WORDS, same=st.booleans(), imm=st.integers(-2048, 2047).map(lambda n: 2 * n))
def test_branches(name: str, a: int, b: int, same: bool, imm: int) -> None:
    b = a if same else b
    hart = FakeHart(pc=0x1000)
    hart.x[11], hart.x[12] = a, b
    following = hart.execute(encode(name, rs1=11, rs2=12, imm=imm))
    assert following == unsigned(0x1000 + (imm if BRANCH[name](a, b) else 4))


@pytest.mark.parametrize("name", LOAD)
@given(value=WORDS, imm=IMMEDIATES)
def test_loads_extend(name: str, value: int, imm: int) -> None:
    hart = FakeHart()
    hart.x[11] = 0x1000
    hart.poke(0x1000 + imm, 8, value)
    hart.execute(encode(name, rd=10, rs1=11, imm=imm))
    assert hart.x[10].value == unsigned(LOAD[name](value))


@pytest.mark.parametrize("name", STORE)
@given(value=WORDS, imm=IMMEDIATES)
def test_stores_write_their_size_only(name: str, value: int, imm: int) -> None:
    hart = FakeHart()
    hart.x[11], hart.x[12] = 0x1000, value
    hart.execute(encode(name, rs1=11, rs2=12, imm=imm))
    assert hart.stores == [(0x1000 + imm, STORE[name])]
    assert hart.peek(0x1000 + imm, 8) == unsigned(value, 8 * STORE[name])


def test_addresses_wrap() -> None:
    hart = FakeHart()
    hart.poke(0xFFF, 1, 7)
    hart.execute(encode("lb", rd=10, rs1=0, imm=-1))
    hart.x[11] = (1 << 64) - 1
    hart.execute(encode("sb", rs1=11, rs2=0, imm=1))
    assert hart.stores == [(0, 1)]


@pytest.mark.parametrize("upper", [0, 1, 0x7FFFF, -0x80000, -1])
def test_upper_immediates(upper: int) -> None:
    hart = FakeHart(pc=0x8000_0004)
    hart.execute(encode("lui", rd=10, imm=upper << 12))
    hart.execute(encode("auipc", rd=11, imm=upper << 12))
    assert hart.x[10].value == unsigned(upper << 12)
    assert hart.x[11].value == unsigned(0x8000_0004 + (upper << 12))


@pytest.mark.parametrize("imm", [2, -2, 0xFFFFE, -0x100000, 0x800, 0x1000])
def test_jal_links_and_jumps(imm: int) -> None:
    hart = FakeHart(pc=0x2000)
    assert hart.execute(encode("jal", rd=1, imm=imm)) == unsigned(0x2000 + imm)
    assert hart.x[1].value == 0x2004


def test_jalr_clears_bit_0_and_may_overwrite_its_base() -> None:
    hart = FakeHart(pc=0x2000)
    hart.x[5] = 0x3000
    assert hart.execute(encode("jalr", rd=5, rs1=5, imm=-1)) == 0x2FFE
    assert hart.x[5].value == 0x2004


def test_x0_stays_zero() -> None:
    hart = FakeHart(pc=0x2000)
    hart.x[5] = 9
    for word in (encode("addi", rd=0, rs1=5, imm=1), encode("jal", rd=0, imm=8)):
        hart.execute(word)
        assert hart.x[0].value == 0


@pytest.mark.parametrize(
    "word", [0x0FF0_000F, 0x8330_000F, 0x0100_000F, 0x0000_100F, 0xFFF9_8F8F, 0xFFFF_9F8F]
)
def test_fences_ignore_their_reserved_fields(word: int) -> None:
    hart = FakeHart()
    assert hart.execute(word) == hart.pc.value + 4
    assert (hart.notes, hart.stores) == ([], [])
