"""Engines agree on real software: the same digests at the same instructions."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from lockstep.cpu.engine import Exit, make_cpu
from lockstep.cpu.memory import Ram
from lockstep.det.state import Digests
from lockstep.host.guests import GuestSet
from lockstep.machine.board import DRAM_BASE, BoardConfig
from lockstep.machine.bus import Bus
from lockstep.machine.machine import Machine

MEMORY = 256 << 20
FIRST = 2_000_000
EVERY = 100_000


class Nowhere:
    """An outlet that leads to nobody."""

    def ask(self, question: str, size: int) -> bytes:
        return bytes(size)

    def emit(self, data: bytes) -> None:
        pass


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
    cpu = make_cpu(engine, harts, ram, bus, config.shift)
    return Machine(config, cpu, ram, bus, lambda port: Nowhere())


def run_to(made: Machine, until: int) -> Digests:
    """Run on, skipping idle time, and say what there is then."""
    cpu = made.cpu
    while cpu.icount < until:
        if cpu.run(until) is Exit.IDLE:
            cpu.warp(cpu.next_deadline_ns() - cpu.virtual_ns)
    return made.digests()


@pytest.mark.parametrize("harts", [1, 3])
def test_the_start_of_a_boot_is_the_same_in_both_engines(debian: GuestSet, harts: int) -> None:
    """OpenSBI and the kernel's first steps, digest by digest."""
    fast, obvious = (machine(engine, harts, debian) for engine in ("interp", "reference"))
    for until in range(EVERY, FIRST + 1, EVERY):
        one, two = run_to(fast, until), run_to(obvious, until)
        assert not one.differences(two), f"by instruction {until:,}"
        assert one.total() == two.total()


@pytest.mark.parametrize("harts", [1, 3])
def test_engines_agree_in_the_middle_of_a_boot(debian: GuestSet, harts: int) -> None:
    """A state that the interpreter reached goes on the same way in the reference: paging, traps
    and interrupts under way, in the kernel and in user space."""
    fast, obvious = (machine(engine, harts, debian) for engine in ("interp", "reference"))
    for start in (500_000_000, 1_300_000_000, 2_000_000_000):
        run_to(fast, start)
        obvious.restore(fast.save())
        for until in range(start + EVERY, start + 4 * EVERY, EVERY):
            assert not run_to(fast, until).differences(run_to(obvious, until)), f"by {until:,}"
