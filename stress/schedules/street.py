"""A street: real threads, with a random delay at every lock operation, and a clock that runs fast.

Unlike on a stage nobody decides who goes on, so the seed repeats who does what and how long each
delay is, and the host does the rest. It shows what a stage cannot: threads that are interrupted
between any two of their instructions, and native code that runs while others do.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, Final

from stress.schedules.place import Place, StageOver, stack_of, threading_of

SPEED: Final = 20
"""A second here takes the host so much less."""

_LOOK_S: Final = 0.0005
_LONGEST_DELAY_S: Final = 0.0003


class Street(Place):
    """Real threads, each with its own dice."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.started: list[threading.Thread] = []
        self._delaying = self.rng.choice((0.02, 0.1, 0.4))
        self._dice = threading.local()
        self._seeds = random.Random(seed)

    def clock(self) -> int:
        return time.monotonic_ns() * SPEED

    def run(self, first: threading.Thread, patience_s: float) -> None:
        first.start()
        until = time.monotonic() + patience_s
        for thread in self.started:  # grows while they run
            threading.Thread.join(thread, max(until - time.monotonic(), 0))
            if thread.is_alive():
                stacks = "".join(f"thread {t.name!r}:\n{stack_of(t)}" for t in self.started)
                self.failure = f"hangs after {patience_s} s\n{self.report()}\n{stacks}"
                return

    def point(self, doing: str) -> None:
        self.steps += 1
        dice = self._own_dice()
        if dice.random() < self._delaying:
            time.sleep(dice.random() * _LONGEST_DELAY_S)

    def block(self, doing: str, ready: Callable[[], bool], timeout_ns: int | None = None) -> bool:
        deadline = None if timeout_ns is None else self.clock() + timeout_ns
        while not ready():
            if self.broken:
                raise StageOver
            if deadline is not None and self.clock() >= deadline:
                return False
            time.sleep(_LOOK_S)
        return True

    def sleep(self, ns: int) -> None:
        time.sleep(ns / 1e9 / SPEED)

    def signal(self, thread: threading.Thread, handler: Callable[[], None]) -> None:
        handler()

    def _own_dice(self) -> random.Random:
        if not hasattr(self._dice, "own"):
            self._dice.own = random.Random(self._seeds.random())
        own: random.Random = self._dice.own
        return own


class _Delayed:
    """A lock that gives others a chance before and after."""

    def __init__(self, street: Street) -> None:
        self._street = street
        self._lock = threading.Lock()

    def acquire(self, blocking: bool = True) -> bool:
        self._street.point("before a lock")
        return self._lock.acquire(blocking)

    def release(self) -> None:
        self._lock.release()
        self._street.point("after a lock")

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class _Event(threading.Event):
    def __init__(self, street: Street) -> None:
        super().__init__()
        self._street = street

    def set(self) -> None:
        self._street.point("before an event")
        super().set()
        self._street.point("after an event")


class _Condition(threading.Condition):
    """Time passes faster here."""

    def __init__(self, street: Street) -> None:
        super().__init__(_Delayed(street))  # type: ignore[arg-type]

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(None if timeout is None else timeout / SPEED)


class _Thread(threading.Thread):
    def __init__(self, street: Street, **options: Any) -> None:
        super().__init__(**{**options, "daemon": True})
        self._street = street

    def start(self) -> None:
        self._street.started.append(self)
        super().start()

    def run(self) -> None:
        with suppress(StageOver):
            super().run()

    def join(self, timeout: float | None = None) -> None:
        super().join(None if timeout is None else timeout / SPEED)


class Poller:
    """As the host floor's: input comes from whatever `ready` says."""

    bell = -1  # real signals have none here

    def __init__(self, street: Street, ready: Callable[[int], bool]) -> None:
        self._street = street
        self._ready = ready
        self._bell = threading.Event()

    def ring(self) -> None:
        self._bell.set()

    def wait(self, sources: Iterable[int], timeout_ns: int | None) -> list[int]:
        watched = list(sources)
        self._street.block(
            "poll", lambda: self._bell.is_set() or any(map(self._ready, watched)), timeout_ns
        )
        self._bell.clear()
        return [each for each in watched if self._ready(each)]

    def close(self) -> None:
        """Nothing to give back."""


def threading_in(street: Street) -> SimpleNamespace:
    """What a module of lockstep sees instead of `threading`."""
    return threading_of(street, _Delayed, _Condition, _Event, _Thread)
