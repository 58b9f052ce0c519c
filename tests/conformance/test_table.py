"""Every instruction of the table, with corner operands."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from conformance.cases import Case, Result
from conformance.compare import agree
from conformance.harvest import harvest
from conformance.programs import programs
from conformance.steps import TRAPS
from lockstep.isa.table import Insn, decode, table

CASES_AN_INSTRUCTION = 40
CALLS = (3, 8, 9, 11)  # causes of an exception that was asked for

EXTENSIONS = sorted({one.ext for one in table()})


def cases_for(one: Insn, count: int) -> list[Case]:
    """Cases that consist of `one`, on different operands."""
    repeated, last = ([], [one]) if one.name in TRAPS else ([one], [])
    return harvest(f"{one.name} {one.encoding.pattern}", programs(repeated, last=last), count)


def executed(cases: Sequence[Case], results: Sequence[Result]) -> set[Insn | None]:
    """The instructions that were run to their end in some case."""
    ended = (case for case, end in zip(cases, results, strict=True) if end.cause in CALLS)
    return {decode(word) for case in ended for word in case.code}


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_every_instruction_does_the_same_everywhere(extension: str) -> None:
    """Registers and memory end alike on QEMU, in native code and in the reference."""
    insns = [one for one in table() if one.ext == extension]
    cases = [case for one in insns for case in cases_for(one, CASES_AN_INSTRUCTION)]
    assert executed(cases, agree(cases, regions=64)) >= set(insns)
