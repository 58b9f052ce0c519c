"""Engines agree on real software: the same digests at the same instructions."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from fakes.engines import ENGINES, NATIVE, make_engine
from lockstep.cpu.engine import Exit
from lockstep.cpu.memory import Ram
from lockstep.det.state import Digests
from lockstep.host.guests import GuestSet
from lockstep.machine.board import DRAM_BASE, BoardConfig
from lockstep.machine.bus import Bus
from lockstep.machine.machine import Machine

MEMORY = 256 << 20
FIRST = 2_000_000
EVERY = 100_000
WINDOW = 3 * EVERY
SLICE = 2_000
"""Short enough that what runs is hot at once, and long enough for regions to do most of it."""


class Nowhere:
    """An outlet that leads to nobody."""

    def ask(self, question: str, size: int) -> bytes:
        return bytes(size)

    def emit(self, data: bytes) -> None:
        pass


def machines(harts: int, guests: GuestSet) -> dict[str, Machine]:
    """One for each engine."""
    return {engine: machine(engine, harts, guests) for engine in ENGINES}


def machine(engine: str, harts: int, guests: GuestSet) -> Machine:
    ram, bus = Ram(DRAM_BASE, MEMORY), Bus(nullcontext())
    config = BoardConfig(
        memory=MEMORY,
        harts=harts,
        bios=guests.bios.read_bytes(),
        kernel=guests.kernel.read_bytes(),
        initrd=guests.initrd.read_bytes(),
        bootargs="console=ttyS0",
        rng_seed=bytes(32),
    )
    cpu = make_engine(engine, harts, ram, bus, config.shift)
    if engine == "auto":
        cpu._block.slice = SLICE
    return Machine(config, cpu, ram, bus, lambda port: Nowhere())


def run_to(made: Machine, until: int) -> Digests:
    """Run on, skipping idle time, and say what there is then."""
    cpu = made.cpu
    while cpu.icount < until:
        if cpu.run(until) is Exit.IDLE:
            cpu.warp(cpu.next_deadline_ns() - cpu.virtual_ns)
    return made.digests()


def agree(made: dict[str, Machine], until: int) -> None:
    """All of them run on, and are then where the reference is."""
    expected = run_to(made["reference"], until)
    for engine in NATIVE:
        reached = run_to(made[engine], until)
        assert not reached.differences(expected), f"{engine}, by instruction {until:,}"
        assert reached.total() == expected.total()


def in_regions(made: dict[str, Machine]) -> int:
    """How many instructions were done by regions."""
    return made["auto"].cpu.stats()["instructions_in_regions"]


@pytest.mark.parametrize("harts", [1, 3])
def test_the_start_of_a_boot_is_the_same_in_all_engines(debian: GuestSet, harts: int) -> None:
    """OpenSBI and the kernel's first steps, digest by digest; most of it done by regions."""
    made = machines(harts, debian)
    for until in range(EVERY, FIRST + 1, EVERY):
        agree(made, until)
    assert in_regions(made) > FIRST // 2


@pytest.mark.parametrize("harts", [1, 3])
def test_engines_agree_in_the_middle_of_a_boot(debian: GuestSet, harts: int) -> None:
    """A state that the interpreter reached goes on the same way in the others: paging, traps and
    interrupts under way, in the kernel and in user space."""
    made = machines(harts, debian)
    for start in (500_000_000, 1_300_000_000, 2_000_000_000):
        run_to(made["interp"], start)
        for other in ("auto", "reference"):
            made[other].restore(made["interp"].save())
        before = in_regions(made)
        for until in range(start + EVERY, start + WINDOW + 1, EVERY):
            agree(made, until)
        assert in_regions(made) > before + WINDOW // 2, f"from instruction {start:,} on"
