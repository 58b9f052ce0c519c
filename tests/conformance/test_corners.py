"""Every operation on all combinations of corner operands: integers, and floats in all modes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from random import Random

import pytest

from conformance import floats
from conformance.cases import Case
from conformance.compare import agree
from conformance.corners import INTEGERS, SOURCES, float_cases, integer_cases, takes
from conformance.dice import Dice
from conformance.steps import floating
from lockstep.isa.softfloat import NX, RNE, RTZ
from lockstep.isa.table import Insn, table

INTEGER_EXTENSIONS = ("RV64I", "M", "Zba", "Zbb", "Zbc", "Zbs")
DYNAMIC, MODES = 7, range(5)
BOXED = [floats.BOX | number for number in floats.SINGLES]
# For operations of three operands: what is left when the more alike are left out.
FEW = 18
TELLING = 1_000


def formats(one: Insn) -> list[str]:
    """The formats of its floating-point sources, as letters."""
    parts = one.name.split(".")
    return [parts[-1]] if parts[0] in {"fcvt", "fmv"} else [parts[1]]


def numbers(one: Insn, source: str) -> list[int]:
    """Corner values for one source register."""
    if source not in floating(one):
        return list(INTEGERS)
    return floats.DOUBLES if formats(one) == ["d"] else BOXED


def modes(one: Insn) -> list[dict[str, int]]:
    """Every rounding mode, given in the instruction or by frm."""
    if not any(o.name == "rm" for o in one.encoding.operands):
        return [{}]
    return [{"rm": mode} for mode in MODES] + [{"rm": DYNAMIC, "frm": mode} for mode in MODES]


def of_two(extension: str) -> list[Insn]:
    return [one for one in table() if one.ext == extension and takes(one, "rd", "rs1", "rs2")]


@pytest.mark.parametrize("extension", INTEGER_EXTENSIONS)
def test_integer_operations(extension: str) -> None:
    """Two registers: all pairs of corners. A register and a shift amount: all amounts."""
    cases: list[Case] = []
    for one in (one for one in table() if one.ext == extension):
        if takes(one, "rd", "rs1", "rs2"):
            cases += integer_cases(one, product(INTEGERS, INTEGERS))
        elif takes(one, "rd", "rs1"):
            cases += integer_cases(one, product(INTEGERS))
        elif takes(one, "rd", "rs1", "shamt"):
            width = next(o.width for o in one.encoding.operands if o.name == "shamt")
            for amount in range(1 << width):
                cases += integer_cases(one, product(INTEGERS), shamt=amount)
    agree(cases, reference=200)


def float_operations() -> list[Insn]:
    """Computations that take or give a floating-point register."""
    memory = ("imm", "uimm")
    return [
        one
        for one in table()
        if one.ext in "FD" and not any(o.name in memory for o in one.encoding.operands)
    ]


def cases_of(one: Insn) -> Iterator[Case]:
    taken = [o.name for o in one.encoding.operands if o.name in SOURCES]
    several = modes(one)
    for number, mode in enumerate(several):
        pools = [numbers(one, source) for source in taken]
        if len(taken) == 3:
            few = [pool[:: len(pool) // FEW] for pool in pools]
            yield from float_cases(one, list(product(*few))[number :: len(several)], **mode)
        elif len(taken) < 2 or number < 5:
            yield from float_cases(one, product(*pools), **mode)


@pytest.mark.parametrize("name", sorted({one.name for one in float_operations()}))
def test_float_operations(name: str) -> None:
    """All corner operands (of three: a selection), rounding modes, results and flags."""
    cases = [case for one in float_operations() if one.name == name for case in cases_of(one)]
    agree(cases, reference=200)


def telling_operands(dice: Dice, one: Insn) -> tuple[int, ...]:
    taken = [o.name for o in one.encoding.operands if o.name in SOURCES]
    if taken[0] not in floating(one):
        return (dice.word(),)
    if formats(one) == ["d"]:
        return tuple(floats.related(dice, 64, 11, len(taken)))
    return tuple(floats.BOX | single for single in floats.related(dice, 32, 8, len(taken)))


@pytest.mark.parametrize("name", sorted({one.name for one in float_operations()}))
def test_float_operations_at_the_edge_of_exactness(name: str) -> None:
    """Numbers of which it is hard to tell whether a result is exact, with NX set before and not."""
    random = Random(name)
    dice = Dice(lambda _: random.randbytes(32))
    often = ({}, {"rm": RNE}, {"rm": RTZ}, {"rm": DYNAMIC, "frm": RNE})
    cases: list[Case] = []
    for one in (one for one in float_operations() if one.name == name):
        for mode, accrued in product([mode for mode in modes(one) if mode in often], (0, NX)):
            operands = [telling_operands(dice, one) for _ in range(TELLING)]
            cases += float_cases(one, operands, accrued=accrued, **mode)
    agree(cases, reference=100)
