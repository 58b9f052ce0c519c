"""Engines as tests want them: "auto" makes regions of whatever runs, at once or at random."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from random import Random
from typing import Any

import pytest

from lockstep.cpu.engine import Bus, BusError, Cpu, make_cpu
from lockstep.cpu.layout import CODE, HEAT_LINE, PAGE
from lockstep.cpu.memory import Ram
from lockstep.cpu.native.messages import Order, Product
from lockstep.cpu.native.objects import Interpreter, Notify
from lockstep.cpu.native.regions.compiler import compile_regions
from lockstep.cpu.native.regions.foundry import AtOnce
from lockstep.cpu.native.regions.service import Foundry, Hot, Part
from lockstep.isa.state import FEATURES

NATIVE = ("interp", "auto")
ENGINES = (*NATIVE, "reference")

_ALL_HOT = b"\1\0" * (PAGE // HEAT_LINE)


@cache
def _compiled(order: Order) -> Product:
    return compile_regions(order)


class NoBus:
    """Nothing but main memory."""

    def read(self, addr: int, size: int) -> int:
        raise BusError

    def write(self, addr: int, size: int, value: int) -> None:
        raise BusError

    def stored(self, addr: int, size: int) -> None:
        raise AssertionError

    def probe(self, addr: int, size: int) -> None:
        raise BusError


class Whimsical:
    """A foundry that calls every line hot, and delivers when, and as much as, it likes."""

    def __init__(self, interpreter: Interpreter, rng: Random | None) -> None:
        self._made = AtOnce(interpreter, _compiled)
        self._decode = interpreter.handlers["op_decode"]
        self._rng = rng
        self._held: list[Part] = []

    def order(self, hot: Hot) -> None:
        self._made.order(hot._replace(heat=_ALL_HOT))

    def finished(self) -> Iterable[Part]:
        self._held += self._made.finished()
        if self._rng is None:
            ready, self._held = self._held, []
            return ready
        ready = [part for part in self._held if self._rng.random() < 0.7]
        self._held = [part for part in self._held if part not in ready]
        return [part._replace(entries=self._some(part.entries)) for part in ready]

    def _some(self, entries: dict[int, int]) -> dict[int, int]:
        """Not each of them leads into the region. But each is decoded: see Part.entries."""
        rng = self._rng
        assert rng is not None
        return {at: code if rng.random() < 0.8 else self._decode for at, code in entries.items()}


class Whims:
    """A supply whose thresholds are random for each page; without a seed always the least."""

    def __init__(self, seed: int | None) -> None:
        self._rng = None if seed is None else Random(seed)
        self.thresholds = self
        self.orders = 0
        self.aide = None

    def first(self) -> int:
        return 1

    def next(self, samples: int) -> int:
        self.orders += 1
        return samples + (1 if self._rng is None else self._rng.choice((1, 2, 10, 100)))

    def foundry(self, interpreter: Interpreter, ready: Callable[[], None]) -> Foundry:
        return Whimsical(interpreter, self._rng)

    def stats(self) -> dict[str, int]:
        return {}


def with_whims(monkeypatch: pytest.MonkeyPatch, seed: int | None) -> None:
    """Let sessions whose engine is "auto" have regions as `Whims` has them."""

    @contextmanager
    def supply(engine: str, notify: Notify) -> Iterator[Whims | None]:
        yield Whims(seed) if engine == "auto" else None

    monkeypatch.setattr("lockstep.session.build.supply", supply)


def make_engine(
    engine: str,
    harts: int,
    ram: Ram,
    bus: Bus,
    shift: int,
    quantum: int = 20_000,
    *,
    seed: int | None = None,
    features: int = FEATURES,
) -> Cpu:
    """As `make_cpu`, but "auto" looks for what is hot every few instructions, as `Whims` says."""
    if engine != "auto":
        return make_cpu(engine, harts, ram, bus, shift, quantum, features=features)
    cpu = make_cpu(engine, harts, ram, bus, shift, quantum, regions=Whims(seed), features=features)
    # A block longer than a slice never runs in a region.
    cpu._block.slice = 64 if seed is None else Random(seed).choice((7, 20, 50, 150, 500))
    return cpu


def regions_of(cpu: Cpu) -> Any:
    """The regions of an "auto" engine."""
    return cpu._engine.regions


def compile_everything(cpu: Cpu) -> None:
    """Make regions of all that has been executed so far."""
    for page, flags in enumerate(bytes(cpu._ram.flags)):
        if flags & CODE:
            regions_of(cpu)._order(page)
    cpu._block.attention = 1


def in_regions(cpu: Cpu) -> int:
    """How many instructions were done by regions."""
    return sum(hart.in_regions for hart in cpu.harts)
