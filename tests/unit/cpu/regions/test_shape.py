"""What becomes a region: blocks that lead to each other, and where they may be entered."""

from __future__ import annotations

import pytest

from conformance.assembler import Assembler
from lockstep.cpu.layout import HEAT_LINE, PAGE
from lockstep.cpu.native.messages import Order, Side
from lockstep.cpu.native.regions import shape
from lockstep.cpu.native.regions.code import Code
from lockstep.cpu.native.regions.shape import LARGEST, LONGEST_BLOCK, Shape, shapes

COLD = [0] * (PAGE // HEAT_LINE)
HOT = [1] * (PAGE // HEAT_LINE)


def read(code: Assembler, *sides: Side) -> Code:
    page = code.finish()
    executed = tuple(range(0, len(page), 4))
    return Code.read(Order(page.ljust(PAGE, b"\0"), executed, (), sides=sides), frozenset())


def regions(code: Assembler, heat: list[int] = HOT) -> list[Shape]:
    return shapes(read(code), heat, frozenset())


def test_a_loop_is_one_region_entered_at_its_head() -> None:
    code = Assembler(0)
    code.emit("addi", rd=5, imm=10)
    code.label("loop")
    code.emit("addi", rd=5, rs1=5, imm=-1)
    code.branch("bne", "loop", rs1=5, rs2=0)
    code.emit("jalr", rd=0, rs1=1, imm=0)
    (one,) = regions(code)
    assert sorted(one.blocks) == [0, 4, 12]
    assert one.entries == (0, 4)
    assert one.size == 4


def test_where_a_call_comes_back_to_is_an_entry() -> None:
    code = Assembler(0)
    code.branch("jal", "callee", rd=1)
    code.emit("addi", rd=5, rs1=5, imm=1)
    code.emit("jalr", rd=0, rs1=6, imm=0)
    code.label("callee")
    code.emit("jalr", rd=0, rs1=1, imm=0)
    (one,) = regions(code)
    assert one.entries == (0, 4, 12)


def test_cold_code_is_left_alone() -> None:
    code = Assembler(0)
    code.emit("addi", rd=5, imm=10)
    assert regions(code, COLD) == []


def test_covered_code_starts_no_region() -> None:
    code = Assembler(0)
    code.emit("addi", rd=5, imm=10)
    assert shapes(read(code), HOT, frozenset((0,))) == []


def test_a_region_is_bounded_and_the_rest_is_another_one() -> None:
    """Every block is in exactly one, none is longer than its bound."""
    code = Assembler(0)
    for _ in range(2 * LARGEST):
        code.emit("addi", rd=5, rs1=5, imm=1)
    made = regions(code)
    assert sum(one.size for one in made) == 2 * LARGEST
    assert max(one.size for one in made) <= LARGEST
    assert max(len(block) for one in made for block in one.blocks.values()) == LONGEST_BLOCK


def test_the_hottest_code_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shape, "LARGEST", 40)
    code = Assembler(0)
    for _ in range(400):
        code.emit("addi", rd=5, rs1=5, imm=1)
    heat = list(HOT)
    heat[17] = 5
    first = regions(code, heat)[0]
    assert 17 in {step.at // HEAT_LINE for block in first.blocks.values() for step in block}


def test_a_loop_over_the_end_of_a_page_is_one_region() -> None:
    """It is entered at home only: at the head, and where it comes back to."""
    code = Assembler(0)
    while code.here < PAGE - 8:
        code.emit("addi")
    code.label("loop")
    code.emit("addi", rd=5, rs1=5, imm=-1)
    code.emit("addi", rd=6, rs1=6, imm=1)
    beyond = Assembler(PAGE)
    beyond.emit("addi", rd=7, rs1=7, imm=1)
    beyond.labels["loop"] = PAGE - 8
    beyond.branch("bne", "loop", rs1=5, rs2=0)
    side = Side(1, bytes(16), beyond.finish().ljust(PAGE, b"\0"), (0, 4))
    heat = [*COLD[:-1], 1]
    (one,) = shapes(read(code, side), heat, frozenset())
    assert {PAGE - 8, PAGE} <= one.blocks.keys()
    assert PAGE - 8 in one.entries
    assert max(one.entries) < PAGE
