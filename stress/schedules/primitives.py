"""Locks, conditions, events and threads for a stage: what `threading` is for a real program."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from types import SimpleNamespace, TracebackType
from typing import Any

from stress.schedules.place import StageOver, threading_of
from stress.schedules.stage import Actor, Stage


class Lock:
    """A mutex, as `threading.Lock`."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._locked = False

    def acquire(self) -> bool:
        self._stage.point("before a lock")
        if self._locked:
            self._stage.block("wait for a lock", lambda: not self._locked)
        self._locked = True
        return True

    def release(self) -> None:
        self._locked = False
        self._stage.point("after a lock")

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class Condition(Lock):
    """As `threading.Condition`, with a lock that is not re-entrant: ours need no more."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._waiting: deque[Event] = deque()

    def wait(self, timeout: float | None = None) -> bool:
        told = Event(self._stage)
        self._waiting.append(told)
        self._locked = False
        try:
            ns = None if timeout is None else int(timeout * 1e9)
            return self._stage.block("wait on a condition", told.is_set, ns)
        finally:
            if not told.is_set():
                self._waiting.remove(told)
            if not self._stage.broken:
                self._stage.block("come back from a condition", lambda: not self._locked)
            self._locked = True

    def wait_for(self, true: Callable[[], bool], timeout: float | None = None) -> bool:
        deadline = None if timeout is None else self._stage.now_ns + int(timeout * 1e9)
        while not true():
            left = None if deadline is None else (deadline - self._stage.now_ns) / 1e9
            if left is not None and left <= 0:
                return False
            self.wait(left)
        return True

    def notify_all(self) -> None:
        while self._waiting:
            self._waiting.popleft()._set = True


class Event:
    """As `threading.Event`."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._set = False

    def set(self) -> None:
        self._set = True
        self._stage.point("set an event")

    def clear(self) -> None:
        self._set = False
        self._stage.point("clear an event")

    def is_set(self) -> bool:
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        ns = None if timeout is None else int(timeout * 1e9)
        return self._stage.block("wait for an event", self.is_set, ns)


class Thread(threading.Thread):
    """A thread that runs when the stage lets it."""

    def __init__(
        self,
        stage: Stage,
        target: Callable[..., object],
        name: str | None = None,
        args: Iterable[Any] = (),
        daemon: bool | None = None,
    ) -> None:
        super().__init__(target=target, name=name, args=args, daemon=True)
        self._stage = stage
        self.actor = Actor(self)

    def start(self) -> None:
        first = threading.current_thread()
        self._stage.join(self.actor)
        super().start()
        if isinstance(first, Thread):
            self._stage.point(f"start {self.name}")

    def run(self) -> None:
        self.actor.baton.acquire()
        try:
            if not self._stage.broken:
                super().run()
        except StageOver:
            pass
        finally:
            self._stage.leave(self.actor)

    def join(self, timeout: float | None = None) -> None:
        ns = None if timeout is None else int(timeout * 1e9)
        self._stage.block(f"join {self.name}", lambda: self.actor.over, ns)

    def is_alive(self) -> bool:
        return self.ident is not None and not self.actor.over


class Poller:
    """As the host floor's: input comes from whatever `ready` says."""

    bell = -1  # real signals have none here

    def __init__(self, stage: Stage, ready: Callable[[int], bool]) -> None:
        self._stage = stage
        self._ready = ready
        self._rung = False

    def ring(self) -> None:
        self._rung = True
        self._stage.point("ring the bell")

    def wait(self, sources: Iterable[int], timeout_ns: int | None) -> list[int]:
        watched = list(sources)
        self._stage.block("poll", lambda: self._rung or any(map(self._ready, watched)), timeout_ns)
        self._rung = False
        return [each for each in watched if self._ready(each)]

    def close(self) -> None:
        """Nothing to give back."""


def threading_on(stage: Stage) -> SimpleNamespace:
    """What a module of lockstep sees instead of `threading`."""
    return threading_of(stage, Lock, Condition, Event, Thread)
