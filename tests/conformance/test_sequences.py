"""Sequences of any instructions, in the order that hypothesis likes."""

from __future__ import annotations

import pytest

from conformance.compare import agree
from conformance.harvest import harvest
from conformance.programs import programs
from conformance.steps import TRAPS
from lockstep.isa.table import table

# SRET leaves M-mode and MRET comes back, so that they belong to test_privileged.
APART = (*TRAPS, "mret", "sret", "wfi")
INTEGER = ("RV64I", "M", "C", "A", "Zba", "Zbb", "Zbc", "Zbs", "Zifencei", "Zihintpause")
FLOAT = ("F", "D", "Zicsr")


@pytest.mark.parametrize("kind", ["integer", "float", "any"])
def test_sequences_end_the_same_everywhere(kind: str) -> None:
    """What one instruction leaves behind is what the next one works on."""
    wanted = {"integer": INTEGER, "float": FLOAT, "any": INTEGER + FLOAT}[kind]
    insns = [one for one in table() if one.ext in wanted and one.name not in APART]
    agree(harvest(f"sequences {kind}", programs(insns, length=16), 1200))
