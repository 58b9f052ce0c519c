"""Runs one program on two engines, and finds the first instruction after which they differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from zlib import crc32

from fakes.engines import make_engine
from laws.flow import ground
from laws.flow.writer import Program
from lockstep.cpu.engine import BusError, Cpu
from lockstep.cpu.memory import Ram

SHIFT: Final = 7  # 128 ns an instruction: the timer's ticks tell each from the next


class Board:
    """A few registers that tell how often they were read, and the timers. It notes all accesses."""

    def __init__(self) -> None:
        self.log: list[tuple[int, int, int, int]] = []
        self.cpu: Cpu

    def read(self, addr: int, size: int) -> int:
        self._check(addr)
        self.log.append((self.cpu.icount, addr, size, -1))
        return len(self.log) * 0x0101_0101_0101_0101 % (1 << 8 * size)

    def write(self, addr: int, size: int, value: int) -> None:
        self.log.append((self.cpu.icount, addr, size, value))
        hart = (addr - ground.TIMERS) // 8
        if 0 <= hart < len(self.cpu.harts):
            self.cpu.harts[hart].mtimecmp = value
        else:
            self._check(addr)

    def stored(self, addr: int, size: int) -> None:
        raise AssertionError

    def probe(self, addr: int, size: int) -> None:
        self.log.append((self.cpu.icount, addr, size, -2))
        self._check(addr)

    def _check(self, addr: int) -> None:
        if not 0 <= addr - ground.DEVICE < ground.DEVICE_SIZE:
            raise BusError


class Computer:
    """A program, about to start."""

    def __init__(self, engine: str, program: Program, *, at_once: bool = False) -> None:
        given, whims = program.given, None if at_once else crc32(program.code)
        self.ram, self.board = Ram(ground.RAM, ground.RAM_SIZE), Board()
        for address, data in {
            ground.SETUP: ground.setup(program.start, given),
            ground.HANDLER: ground.handler(),
            program.start: program.code,
            **ground.memory(given),
            **program.data,
        }.items():
            self.ram.write(address, data)
        self.cpu: Cpu = make_engine(
            engine, given.harts, self.ram, self.board, SHIFT, given.quantum, seed=whims
        )
        self.board.cpu = self.cpu
        for hart in self.cpu.harts:
            hart.mtimecmp = given.first

    def state(self) -> dict[str, Any]:
        """All that there is, by name."""
        found: dict[str, Any] = {"memory": bytes(self.ram.view), "accesses": tuple(self.board.log)}
        for hart in range(len(self.cpu.harts)):
            fields = self.cpu.hart_fields(hart)
            found |= {f"hart {hart}: {name}": value for name, value in fields.items()}
        return found


def compare(
    engine: str,
    program: Program,
    stops: Iterable[int],
    checks: Iterable[int],
    *,
    at_once: bool = False,
) -> Computer:
    """`engine`, which stops where it is told to, is at every check where the reference is.

    The engine's computer is returned. `at_once`: if it makes regions, then as soon as it can.
    """
    rival = Computer(engine, program, at_once=at_once)
    reference = Computer("reference", program)
    waiting, reached = sorted(stops), 0
    for check in checks:
        while waiting and waiting[0] < check:
            rival.cpu.run(max(waiting.pop(0), rival.cpu.icount))
        rival.cpu.run(check)
        reference.cpu.run(check)
        assert rival.cpu.icount == check
        if rival.state() != reference.state():
            raise AssertionError(_report(engine, program, reached, check))
        reached = check
    return rival


def _report(engine: str, program: Program, equal: int, different: int) -> str:
    """Once more, an instruction at a time from where they were the same."""
    rival, reference = Computer(engine, program), Computer("reference", program)
    for until in range(equal, different + 1):
        rival.cpu.run(until)
        reference.cpu.run(until)
        ours, its = rival.state(), reference.state()
        wrong = [name for name in ours if ours[name] != its[name]]
        if wrong:
            facts = [f"{name}: {_say(ours[name], its[name])}" for name in wrong[:8]]
            head = f"{engine} differs from the reference after {until} instructions"
            return "\n".join((head, *facts, program.listing()))
    return (
        f"{engine} differs from the reference after {different} instructions, but not if it "
        f"stops at each from {equal}\n{program.listing()}"
    )


def _say(ours: Any, its: Any) -> str:
    if isinstance(ours, int):
        return f"{ours:#x}, not {its:#x}"
    at = next((i for i, (a, b) in enumerate(zip(ours, its, strict=False)) if a != b), len(its))
    return f"from {at:#x} on, {ours[at : at + 8]!r} instead of {its[at : at + 8]!r}"
