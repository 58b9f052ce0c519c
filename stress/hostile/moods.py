"""Regions by whim: of pages that are hot or not, as soon as something ran, and not all of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest.mock import patch

from lockstep.cpu.engine import Cpu, make_cpu
from lockstep.cpu.layout import HEAT_LINE, PAGE
from lockstep.cpu.native.objects import Interpreter
from lockstep.cpu.native.regions.compiler import compile_regions
from lockstep.cpu.native.regions.foundry import AtOnce
from lockstep.cpu.native.regions.service import Hot, Part

_ALL_HOT: Final = b"\1\0" * (PAGE // HEAT_LINE)
_MOST_ORDERS: Final = 3
"""For a program: compiling takes longer than running it."""


class Moody:
    """The supply of an engine with regions, its thresholds and its foundry."""

    aide = None

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self.thresholds = self
        self._orders = 0
        self._made: AtOnce | None = None

    def first(self) -> int:
        return 1

    def next(self, samples: int) -> int:
        return samples + self._rng.choice((1, 3, 20))

    def foundry(self, interpreter: Interpreter, ready: Callable[[], None]) -> Moody:
        self._made = AtOnce(interpreter, compile_regions)
        return self

    def order(self, hot: Hot) -> None:
        self._orders += 1
        if self._made is not None and self._orders <= _MOST_ORDERS:
            self._made.order(hot._replace(heat=_ALL_HOT))

    def finished(self) -> Iterable[Part]:
        return () if self._made is None else self._made.finished()

    def stats(self) -> dict[str, int]:
        return {}


@contextmanager
def moody(seed: int) -> Iterator[None]:
    """While entered, machines of this process have such regions, and short slices."""

    @contextmanager
    def supply(engine: str, notify: Callable[[str], None]) -> Iterator[Moody | None]:
        yield Moody(seed) if engine == "auto" else None

    def short_slices(engine: str, *given: Any, **named: Any) -> Cpu:
        cpu = make_cpu(engine, *given, **named)
        if engine == "auto":
            cpu._block.slice = random.Random(seed).choice((7, 20, 50, 150))
        return cpu

    with ExitStack() as stack:
        stack.enter_context(patch("lockstep.session.build.supply", supply))
        stack.enter_context(patch("lockstep.session.build.make_cpu", short_slices))
        yield
