"""A cpu on a bench: a program in main memory, and a bus that remembers."""

from __future__ import annotations

from collections.abc import Callable

from conformance.assembler import Assembler
from fakes.engines import ENGINES as ENGINES
from fakes.engines import make_engine
from lockstep.cpu.engine import BusError, Cpu
from lockstep.cpu.memory import Ram
from lockstep.isa.state import FEATURES

BASE = 0x8000_0000
SIZE = 1 << 20
HANDLER = BASE + 0x800
DEVICE = 0x1000_0000

RA, T0, T1, T2, S0, S1, A0, A1, A2 = 1, 5, 6, 7, 8, 9, 10, 11, 12


class BenchBus:
    """A page of registers at DEVICE that hold what is written; `on` names surprises."""

    def __init__(self) -> None:
        self.values: dict[int, int] = {}
        self.log: list[tuple[str, int, int, int]] = []
        self.on: dict[int, Callable[[], None]] = {}
        self.told: Callable[[], None] = lambda: None

    def read(self, addr: int, size: int) -> int:
        value = self.values.get(addr, 0)
        self._accessed("r", addr, size, value)
        return value

    def write(self, addr: int, size: int, value: int) -> None:
        self._accessed("w", addr, size, value)
        self.values[addr] = value

    def stored(self, addr: int, size: int) -> None:
        self.log.append(("s", addr, size, 0))
        self.told()

    def probe(self, addr: int, size: int) -> None:
        self._accessed("p", addr, size, 0)

    def _accessed(self, kind: str, addr: int, size: int, value: int) -> None:
        if not DEVICE <= addr < DEVICE + 0x1000:
            raise BusError
        self.log.append((kind, addr, size, value))
        if addr in self.on:
            self.on[addr]()


class Bench:
    """Harts that start at BASE, where `code` goes; traps to M-mode go to HANDLER."""

    def __init__(
        self,
        engine: str,
        harts: int = 1,
        shift: int = 0,
        quantum: int = 20_000,
        features: int = FEATURES,
    ) -> None:
        self.ram = Ram(BASE, SIZE)
        self.bus = BenchBus()
        self.cpu: Cpu = make_engine(
            engine, harts, self.ram, self.bus, shift, quantum, features=features
        )
        self.code = Assembler(BASE)

    def start(self) -> None:
        self.ram.write(BASE, self.code.finish())
        handler = Assembler(HANDLER)
        handler.branch("jal", "here", rd=0)
        handler.labels["here"] = HANDLER
        self.ram.write(HANDLER, handler.finish())
        self.cpu.reset(BASE, {})
        for hart in self.cpu.harts:
            hart.mtvec = HANDLER

    def spin(self) -> None:
        """Stay here."""
        self.code.label("end")
        self.code.branch("jal", "end", rd=0)

    def x(self, index: int, hart: int = 0) -> int:
        return self.cpu.harts[hart].x[index]
