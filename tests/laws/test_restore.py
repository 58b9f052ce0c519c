"""A machine that is put back to a saved state runs on as the one that was never stopped."""

from contextlib import nullcontext
from importlib.resources import files

import pytest

from fakes.device import FakeOutlet
from lockstep.cpu.engine import Exit, make_cpu
from lockstep.cpu.memory import Ram
from lockstep.det.state import Digests
from lockstep.machine.board import DRAM_BASE, BoardConfig
from lockstep.machine.bus import Bus
from lockstep.machine.machine import Machine, MachineState

MEMORY = 64 << 20
DEMO = (files("lockstep") / "ui" / "data" / "demo.elf").read_bytes()


class Run:
    """The demo guest on two harts, idle time skipped."""

    def __init__(self) -> None:
        config = BoardConfig(memory=MEMORY, harts=2, kernel=DEMO, rng_seed=b"seed")
        bus, ram, self.outlet = Bus(nullcontext()), Ram(DRAM_BASE, MEMORY), FakeOutlet()
        self.cpu = make_cpu("interp", 2, ram, bus, 0)
        self.machine = Machine(config, self.cpu, ram, bus, lambda port: self.outlet)

    def to(self, until: int) -> None:
        while self.machine.power is None and self.cpu.icount < until:
            if self.cpu.run(until) is Exit.IDLE:
                deadline = self.cpu.next_deadline_ns()
                assert deadline is not None
                self.cpu.warp(deadline - self.cpu.virtual_ns)

    def finish(self) -> tuple[Digests, bytes]:
        self.outlet.emitted = b""
        self.to(1 << 40)
        return self.machine.digests(), self.outlet.emitted


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[MachineState, Digests, Digests, bytes]:
    """A state on the way, its digests, and how it ended."""
    run = Run()
    run.to(123_456)
    saved, then = run.machine.save(), run.machine.digests()
    return saved, then, *run.finish()


@pytest.mark.parametrize("used_until", [0, 77_777, 1 << 40])
def test_restore_into_any_machine_of_the_same_board(uninterrupted, used_until: int) -> None:
    """New, half way through, or powered off: the rest of the run is the same."""
    saved, then, end, output = uninterrupted
    run = Run()
    run.to(used_until)
    run.machine.restore(saved)
    assert then.differences(run.machine.digests()) == []
    digests, emitted = run.finish()
    assert end.differences(digests) == []
    assert emitted == output


def test_a_guest_runs_to_its_end_after_a_reset() -> None:
    """From its first line to its last."""
    run = Run()
    run.to(50_000)
    run.machine.reset()
    _, output = run.finish()
    assert b"lucky numbers" in output
    assert run.machine.power is not None
    assert run.machine.power.kind == "poweroff"
