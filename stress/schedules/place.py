"""Where a schedule happens: what its people and fakes need of it."""

from __future__ import annotations

import random
import sys
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace


class StageOver(BaseException):
    """Unwinds a thread of a schedule that was ended."""


class Place(ABC):
    """Threads, time and chance. `failure` says what went wrong, or is None."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.steps = 0
        self.failure: str | None = None
        self.threads = SimpleNamespace()
        """What stands in for `threading`."""
        self.report: Callable[[], str] = str
        """Says more about a failure, such as who holds which lock."""
        self.undone: Callable[[], str | None] = lambda: None
        """What should not be left undone when everybody sleeps."""

    @property
    def broken(self) -> bool:
        """Whether everybody is being sent home."""
        return self.failure is not None

    @abstractmethod
    def clock(self) -> int:
        """Nanoseconds here."""

    @abstractmethod
    def run(self, first: threading.Thread, patience_s: float) -> None:
        """Run `first` and all that it starts, to the end of the last of them."""

    @abstractmethod
    def point(self, doing: str) -> None:
        """Others may go on here before the caller does."""

    @abstractmethod
    def block(self, doing: str, ready: Callable[[], bool], timeout_ns: int | None = None) -> bool:
        """Wait until `ready`, or for so long: False then."""

    @abstractmethod
    def sleep(self, ns: int) -> None:
        """Let time pass."""

    @abstractmethod
    def signal(self, thread: threading.Thread, handler: Callable[[], None]) -> None:
        """Have `handler` run as a signal handler does, in `thread`, wherever that is."""


def threading_of(
    place: Place,
    lock: Callable[..., object],
    condition: Callable[..., object],
    event: Callable[..., object],
    thread: Callable[..., object],
) -> SimpleNamespace:
    """What a module of lockstep sees instead of `threading`: of these, each made in `place`."""
    return SimpleNamespace(
        Lock=partial(lock, place),
        Condition=partial(condition, place),
        Event=partial(event, place),
        Thread=partial(thread, place),
        current_thread=threading.current_thread,
        main_thread=threading.main_thread,
        get_ident=threading.get_ident,
    )


def stack_of(thread: threading.Thread) -> str:
    """Where it is, innermost last."""
    frame = sys._current_frames().get(thread.ident or 0)
    return "".join(traceback.format_stack(frame)[-8:]) if frame else ""
