"""Engines agree on programs that nobody has thought of: loops, calls, faults, patches, interrupts.

LOCKSTEP_CASES=n tries n times as many, LOCKSTEP_SEED=n others.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import strategies as st

from conformance.dice import Dice, Draw
from conformance.harvest import harvest
from fakes.engines import NATIVE, in_regions
from laws.flow.ground import Conditions, M, S, U
from laws.flow.rivals import SHIFT, Computer, compare
from laws.flow.writer import Program, write_loop, write_program
from lockstep.cpu.schedule import TICK_NS

PROGRAMS = 34
INSTRUCTIONS = 6_000
CHECKS = 4
LOOPS = 2
NEVER = 1 << 40
HANDLER = 60  # instructions, at most
WARM_ROUNDS = 12


def seeded(draw: Draw) -> Dice:
    """Dice that hypothesis seeds. Throw by throw it makes most programs like the last."""
    source = random.Random(draw(st.binary(min_size=8, max_size=8)))
    return Dice(lambda _: source.randbytes(32))


@st.composite
def programs(draw: Draw, mode: int) -> tuple[Program, list[int]]:
    """A program, and some instants at which a run of it is interrupted."""
    dice = seeded(draw)
    stops = [dice.below(INSTRUCTIONS) for _ in range(dice.below(12))]
    return write_program(dice, mode), stops


@pytest.mark.parametrize("mode", [M, S, U], ids="MSU")
@pytest.mark.parametrize("engine", NATIVE)
def test_engines_agree_on_generated_programs(engine: str, mode: int) -> None:
    """In every register, in memory, and in each access to a device and its instant."""
    checks = range(INSTRUCTIONS // CHECKS, INSTRUCTIONS + 1, INSTRUCTIONS // CHECKS)
    done = 0
    for program, stops in harvest(f"control flow {mode}", programs(mode), PROGRAMS):
        done += in_regions(compare(engine, program, stops, checks).cpu)
    if engine == "auto":
        assert done > PROGRAMS * INSTRUCTIONS // 20


@st.composite
def loops(draw: Draw, mode: int) -> tuple[Program, set[int]]:
    """A loop and the addresses of its instructions."""
    return write_loop(seeded(draw), Conditions(mode, period=NEVER))


@pytest.mark.parametrize("mode", [M, S, U], ids="MSU")
@pytest.mark.parametrize("engine", NATIVE)
def test_an_interrupt_comes_at_every_instruction_of_a_loop(engine: str, mode: int) -> None:
    """The timer goes off a tick later each time, less than an instruction, for a whole round; some
    rounds went before, so that there are regions."""
    done = 0
    for program, addresses in harvest(f"loop {mode}", loops(mode), LOOPS):
        begun = started(program)
        warm = WARM_ROUNDS * len(addresses)
        end = begun.cpu.icount + warm + 2 * len(addresses) + HANDLER
        interrupted = set()
        for late in range(2 * len(addresses)):
            first = begun.cpu.mtime + (warm << SHIFT) // TICK_NS + late
            due = program._replace(given=program.given._replace(first=first))
            rival = compare(engine, due, [], [end], at_once=True)
            interrupted.add(rival.cpu.harts[0].mepc)
            done += in_regions(rival.cpu)
        assert interrupted == addresses
    if engine == "auto":
        assert done > 2_000


def started(program: Program) -> Computer:
    """A computer that has come to the program's first instruction."""
    computer = Computer("reference", program)
    while computer.cpu.harts[0].pc != program.start:
        computer.cpu.run(computer.cpu.icount + 1)
    return computer
