"""C: every 16-bit word is an instruction or reserved, and does what its longer twin does."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.hart import FakeHart, GuestTrap
from instructions import encode, unsigned
from lockstep.isa.table import decode

DOUBLE_BOXED = 0x4009_21FB_5444_2D18


def is_reserved(word: int) -> bool:
    """Marked "RES" in the listings of Unpriv. 27.8, tables 36 to 38, and not an instruction."""
    quadrant, group, rd = word & 3, word >> 13, word >> 7 & 31
    if quadrant == 0:
        return group == 4 or (group == 0 and word >> 5 & 0xFF == 0)
    if quadrant == 1:
        no_immediate = word & 0x107C == 0
        register_pairs = word >> 10 & 7 == 7 and word >> 5 & 3 >= 2
        return (
            (group == 1 and rd == 0)
            or (group == 3 and no_immediate)
            or (group == 4 and register_pairs)
        )
    return (group in (2, 3) and rd == 0) or word == 0x8002


def test_exactly_the_reserved_words_do_not_decode() -> None:
    words = [word for word in range(1 << 16) if word & 3 != 3]
    assert [w for w in words if decode(w) is None] == [w for w in words if is_reserved(w)]


def test_only_the_low_half_counts() -> None:
    found = decode(0xFFFF_0001)
    assert found is not None
    assert found.name == "c.nop"


def outcome(word: int, following: int) -> dict[str, Any]:
    """All that a hart with interesting registers holds after `word`. Links are compared by step."""
    hart = FakeHart(pc=0x10_0000)
    hart.mstatus = 3 << 13
    for n in range(32):
        hart.x[n] = unsigned((n * 0x0101_0000_8001_0100 + 0x4000) & ~7)
        hart.f[n] = DOUBLE_BOXED + n
    for addr in range(0, 64):
        hart.poke(hart.x[2].value + 8 * addr, 8, 0x8182_8384_8586_8788 + addr)
        for n in range(8, 16):
            hart.poke(hart.x[n].value + 8 * addr, 8, 0x9192_9394_9596_9798 + addr)
    target = hart.execute(word)
    registers = [hart.x[n].value for n in range(32)]
    if registers[1] == hart.next_pc.value:
        registers[1] = following
    moved = following if target == hart.next_pc.value else target
    return {
        "x": registers,
        "f": [hart.f[n].value for n in range(32)],
        "memory": hart.memory,
        "target": moved,
    }


TWINS = [
    ("c.lwsp", {"rd": 9, "uimm": 252}, "lw", {"rd": 9, "rs1": 2, "imm": 252}),
    ("c.lwsp", {"rd": 31, "uimm": 36}, "lw", {"rd": 31, "rs1": 2, "imm": 36}),
    ("c.ldsp", {"rd": 9, "uimm": 504}, "ld", {"rd": 9, "rs1": 2, "imm": 504}),
    ("c.ldsp", {"rd": 1, "uimm": 40}, "ld", {"rd": 1, "rs1": 2, "imm": 40}),
    ("c.fldsp", {"rd": 0, "uimm": 504}, "fld", {"rd": 0, "rs1": 2, "imm": 504}),
    ("c.swsp", {"rs2": 9, "uimm": 252}, "sw", {"rs2": 9, "rs1": 2, "imm": 252}),
    ("c.sdsp", {"rs2": 9, "uimm": 264}, "sd", {"rs2": 9, "rs1": 2, "imm": 264}),
    ("c.fsdsp", {"rs2": 9, "uimm": 264}, "fsd", {"rs2": 9, "rs1": 2, "imm": 264}),
    ("c.lw", {"rd": 8, "rs1": 15, "uimm": 124}, "lw", {"rd": 8, "rs1": 15, "imm": 124}),
    ("c.lw", {"rd": 8, "rs1": 15, "uimm": 68}, "lw", {"rd": 8, "rs1": 15, "imm": 68}),
    ("c.ld", {"rd": 9, "rs1": 10, "uimm": 248}, "ld", {"rd": 9, "rs1": 10, "imm": 248}),
    ("c.fld", {"rd": 9, "rs1": 10, "uimm": 72}, "fld", {"rd": 9, "rs1": 10, "imm": 72}),
    ("c.sw", {"rs2": 8, "rs1": 15, "uimm": 68}, "sw", {"rs2": 8, "rs1": 15, "imm": 68}),
    ("c.sd", {"rs2": 9, "rs1": 10, "uimm": 200}, "sd", {"rs2": 9, "rs1": 10, "imm": 200}),
    ("c.fsd", {"rs2": 9, "rs1": 10, "uimm": 72}, "fsd", {"rs2": 9, "rs1": 10, "imm": 72}),
    ("c.j", {"imm": 2046}, "jal", {"rd": 0, "imm": 2046}),
    ("c.j", {"imm": -2048}, "jal", {"rd": 0, "imm": -2048}),
    ("c.jr", {"rs1": 5}, "jalr", {"rd": 0, "rs1": 5, "imm": 0}),
    ("c.jalr", {"rs1": 5}, "jalr", {"rd": 1, "rs1": 5, "imm": 0}),
    ("c.jalr", {"rs1": 1}, "jalr", {"rd": 1, "rs1": 1, "imm": 0}),
    ("c.beqz", {"rs1": 8, "imm": -256}, "beq", {"rs1": 8, "rs2": 0, "imm": -256}),
    ("c.bnez", {"rs1": 8, "imm": 254}, "bne", {"rs1": 8, "rs2": 0, "imm": 254}),
    ("c.li", {"rd": 7, "imm": -32}, "addi", {"rd": 7, "rs1": 0, "imm": -32}),
    ("c.li", {"rd": 0, "imm": 5}, "addi", {"rd": 0, "rs1": 0, "imm": 0}),
    ("c.lui", {"rd": 7, "imm": 31 << 12}, "lui", {"rd": 7, "imm": 31 << 12}),
    ("c.lui", {"rd": 7, "imm": -32 << 12}, "lui", {"rd": 7, "imm": -32 << 12}),
    ("c.lui", {"rd": 0, "imm": 1 << 12}, "addi", {"rd": 0, "rs1": 0, "imm": 0}),
    ("c.nop", {"imm": -1}, "addi", {"rd": 0, "rs1": 0, "imm": 0}),
    ("c.addi", {"rd": 7, "imm": -32}, "addi", {"rd": 7, "rs1": 7, "imm": -32}),
    ("c.addi", {"rd": 7, "imm": 0}, "addi", {"rd": 7, "rs1": 7, "imm": 0}),
    ("c.addiw", {"rd": 7, "imm": 31}, "addiw", {"rd": 7, "rs1": 7, "imm": 31}),
    ("c.addiw", {"rd": 7, "imm": 0}, "addiw", {"rd": 7, "rs1": 7, "imm": 0}),
    ("c.addi16sp", {"imm": -512}, "addi", {"rd": 2, "rs1": 2, "imm": -512}),
    ("c.addi16sp", {"imm": 496}, "addi", {"rd": 2, "rs1": 2, "imm": 496}),
    ("c.addi4spn", {"rd": 8, "uimm": 1020}, "addi", {"rd": 8, "rs1": 2, "imm": 1020}),
    ("c.addi4spn", {"rd": 15, "uimm": 4}, "addi", {"rd": 15, "rs1": 2, "imm": 4}),
    ("c.slli", {"rd": 7, "uimm": 63}, "slli", {"rd": 7, "rs1": 7, "shamt": 63}),
    ("c.slli", {"rd": 0, "uimm": 1}, "addi", {"rd": 0, "rs1": 0, "imm": 0}),
    ("c.srli", {"rd": 9, "uimm": 33}, "srli", {"rd": 9, "rs1": 9, "shamt": 33}),
    ("c.srai", {"rd": 15, "uimm": 63}, "srai", {"rd": 15, "rs1": 15, "shamt": 63}),
    ("c.srai", {"rd": 15, "uimm": 0}, "srai", {"rd": 15, "rs1": 15, "shamt": 0}),
    ("c.andi", {"rd": 9, "imm": -32}, "andi", {"rd": 9, "rs1": 9, "imm": -32}),
    ("c.mv", {"rd": 7, "rs2": 30}, "add", {"rd": 7, "rs1": 0, "rs2": 30}),
    ("c.mv", {"rd": 0, "rs2": 30}, "addi", {"rd": 0, "rs1": 0, "imm": 0}),
    ("c.add", {"rd": 7, "rs2": 30}, "add", {"rd": 7, "rs1": 7, "rs2": 30}),
    ("c.add", {"rd": 0, "rs2": 5}, "addi", {"rd": 0, "rs1": 0, "imm": 0}),
    *(
        (f"c.{name}", {"rd": 9, "rs2": 15}, name, {"rd": 9, "rs1": 9, "rs2": 15})
        for name in ("and", "or", "xor", "sub", "addw", "subw")
    ),
]


@pytest.mark.parametrize(("short", "a", "long", "b"), TWINS)
def test_does_what_the_longer_instruction_does(
    short: str, a: dict[str, int], long: str, b: dict[str, int]
) -> None:
    assert outcome(encode(short, **a), following=1) == outcome(encode(long, **b), following=1)


def test_every_compressed_instruction_has_a_twin_here() -> None:
    found = {one.name for word in range(1 << 16) if word & 3 != 3 and (one := decode(word))}
    assert found == {short for short, *_ in TWINS} | {"c.ebreak"}


def test_ebreak_is_a_breakpoint() -> None:
    with pytest.raises(GuestTrap) as caught:
        FakeHart().execute(0x9002)
    assert caught.value.cause == 3
