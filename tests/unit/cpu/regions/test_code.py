"""A page of code: what is a step of a region, and where each leads."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from conformance.assembler import Assembler
from lockstep.cpu.layout import PAGE
from lockstep.cpu.native.functions import NativeModule
from lockstep.cpu.native.instruction import Instruction, handler_name
from lockstep.cpu.native.messages import Order, Side
from lockstep.cpu.native.regions.code import Code, Step
from lockstep.isa.table import Insn, table


class Watched(Instruction):
    """A handler that notes whether its semantics jump."""

    jumps: str | None = None

    @property
    def control(self) -> object:
        return self._control

    @control.setter
    def control(self, value: tuple[str, object] | None) -> None:
        self._control = value
        if value is not None:
            self.jumps = value[0]


@pytest.mark.parametrize(
    "insn", [i for i in table() if i.ext not in ("PRIV", "Zicsr")], ids=lambda i: i.name
)
def test_what_an_instruction_is_taken_for_is_what_its_semantics_do(insn: Insn) -> None:
    """Relative jumps have a target, computed ones end a block, everything else goes on."""
    made = Watched(NativeModule(), handler_name(insn, far=False), insn.length)
    made.inline(insn.semantics, (made.hart, *(made.operand(n) for n in insn.parameters)))
    step = Step(0x100, insn, {"imm": 0x40, "rd": 1, "rs1": 1}, 0)
    assert (step.target is not None) == (made.jumps == "by")
    assert step.ends_block == (made.jumps is not None)
    if made.jumps is None:
        assert step.goes_on


def read(
    page: bytes, executed: Iterable[int], *sides: Side, foreign: Iterable[str] = ()
) -> list[int]:
    """The places of the steps."""
    order = Order(page.ljust(PAGE, b"\0"), tuple(executed), (), sides=sides)
    return sorted(Code.read(order, frozenset(foreign)).steps)


def test_only_what_was_executed_is_read() -> None:
    code = Assembler(0)
    for _ in range(4):
        code.emit("addi", rd=1, rs1=1, imm=1)
    assert read(code.finish(), (0, 8)) == [0, 8]


def test_what_only_the_interpreter_can_do_is_left_out() -> None:
    """CSRs, traps, and whatever the lowering refused before."""
    code = Assembler(0)
    code.emit("csrrw", rd=1, rs1=2, csr=0x340)
    code.emit("ecall")
    code.emit("addi", rd=1, rs1=1, imm=1)
    code.emit("mul", rd=1, rs1=1, rs2=1)
    assert read(code.finish(), (0, 4, 8, 12), foreign=["mul"]) == [8]


def test_an_instruction_that_ends_on_the_next_page_is_left_out() -> None:
    assert read(bytes(PAGE - 2) + b"\x93\x80", (PAGE - 2,)) == []


def test_pages_beside_it_are_read_where_they_are() -> None:
    code = Assembler(0)
    code.emit("addi", rd=1, rs1=1, imm=1)
    page = code.finish().ljust(PAGE, b"\0")
    sides = Side(-1, b"before", page, (0,)), Side(1, b"behind", page, (0,))
    assert read(page, (0,), *sides) == [-PAGE, 0, PAGE]
