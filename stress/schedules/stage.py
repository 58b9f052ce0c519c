"""A stage: threads that run one at a time, the next one chosen at every lock operation by a seed.

It stands in for `threading` and for the host's clock, so a schedule is repeated exactly by its
seed, waiting takes no time, and a state in which nobody can go on is seen at once: that is a
deadlock or a lost wake-up, and is reported with every thread's stack.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from stress.schedules.place import Place, StageOver, stack_of

MOST_STEPS: Final = 300_000
_TIME_PASSES: Final = 0.02
_LONGEST_PASSING_NS: Final = 20_000_000


@dataclass(eq=False)
class Actor:
    """A thread on the stage. `ready` is None while it could go on, `doing` is where it is."""

    thread: threading.Thread
    baton: threading.Lock = field(default_factory=threading.Lock)
    ready: Callable[[], bool] | None = None
    deadline: int | None = None
    doing: str = "begin"
    signals: deque[Callable[[], None]] = field(default_factory=deque)
    over: bool = False
    weight: float = 1.0

    def describe(self) -> str:
        """Name, place and stack."""
        state = "ended" if self.over else self.doing
        return f"thread {self.thread.name!r}: {state}\n{stack_of(self.thread)}"


class Stage(Place):
    """Runs threads in turn. Nothing here is guarded: only whoever has the baton runs."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.now_ns = 0
        self._switchiness = self.rng.choice((0.05, 0.3, 1.0))
        self._biased = self.rng.random() < 0.5
        self._actors: list[Actor] = []
        self._current: Actor
        self._finished = threading.Event()

    def clock(self) -> int:
        return self.now_ns

    def run(self, first: threading.Thread, patience_s: float) -> None:
        first.start()
        if not self._finished.wait(patience_s):
            self._fail(f"hangs for {patience_s} s outside of every lock")
            self._finished.wait(patience_s)

    # For the primitives. The calling thread has the baton.

    def join(self, actor: Actor) -> None:
        """A new thread: it waits for its turn."""
        actor.baton.acquire()
        actor.weight = self.rng.choice((0.05, 1.0, 10.0)) if self._biased else 1.0
        self._actors.append(actor)
        if len(self._actors) == 1:
            self._current = actor
            actor.baton.release()

    def leave(self, actor: Actor) -> None:
        """The calling thread has ended."""
        actor.over = True
        if all(each.over for each in self._actors):
            self._finished.set()
        elif not self.broken:
            with suppress(StageOver):
                self._pass_to(self._choose())

    def point(self, doing: str) -> None:
        if self.broken:
            return
        actor = self._current
        if actor.signals or self.rng.random() < self._switchiness:
            actor.doing = doing
            self._yield(actor)
            self._heed_signals(actor)

    def block(self, doing: str, ready: Callable[[], bool], timeout_ns: int | None = None) -> bool:
        if self.broken:
            raise StageOver
        actor = self._current
        deadline = None if timeout_ns is None else self.now_ns + max(timeout_ns, 0)
        while True:
            actor.doing, actor.ready, actor.deadline = doing, ready, deadline
            self._yield(actor)
            actor.ready = actor.deadline = None
            self._heed_signals(actor)
            if ready():
                return True
            if deadline is not None and self.now_ns >= deadline:
                return False

    def sleep(self, ns: int) -> None:
        self.block("sleep", lambda: False, ns)

    def signal(self, thread: threading.Thread, handler: Callable[[], None]) -> None:
        for actor in self._actors:
            if actor.thread is thread and not actor.over:
                actor.signals.append(handler)

    def _heed_signals(self, actor: Actor) -> None:
        while actor.signals:
            actor.signals.popleft()()

    def _yield(self, actor: Actor) -> None:
        chosen = self._choose()
        if chosen is not actor:
            self._pass_to(chosen)
            actor.baton.acquire()
            if self.broken:
                raise StageOver

    def _pass_to(self, actor: Actor) -> None:
        self._current = actor
        actor.baton.release()

    def _choose(self) -> Actor:
        self.steps += 1
        if self.steps > MOST_STEPS:
            self._fail(f"nothing came to an end in {MOST_STEPS:,} steps: a livelock")
            raise StageOver
        if self.rng.random() < _TIME_PASSES:
            self.now_ns += self.rng.randrange(_LONGEST_PASSING_NS)
        able = [actor for actor in self._actors if self._able(actor)]
        if not able:
            able = [self._next_to_time_out()]
        return self.rng.choices(able, [actor.weight for actor in able])[0]

    def _able(self, actor: Actor) -> bool:
        if actor.over:
            return False
        timed_out = actor.deadline is not None and self.now_ns >= actor.deadline
        return actor.ready is None or timed_out or bool(actor.signals) or actor.ready()

    def _next_to_time_out(self) -> Actor:
        waiting = [a for a in self._actors if not a.over and a.deadline is not None]
        if not waiting:
            self._fail("nobody can go on: a deadlock, or a lost wake-up")
            raise StageOver
        undone = self.undone()
        if undone is not None:
            self._fail(f"everybody sleeps, but {undone}: a lost wake-up")
            raise StageOver
        actor = min(waiting, key=lambda each: each.deadline or 0)
        self.now_ns = actor.deadline or 0
        return actor

    def _fail(self, what: str) -> None:
        """Remember why, and send everybody home."""
        self.failure = what
        actors = "\n".join(actor.describe() for actor in self._actors)
        self.failure = f"{what}\n{self.report()}\n{actors}"
        me = threading.current_thread()
        for actor in self._actors:
            if actor.thread is not me and actor.baton.locked():
                actor.baton.release()
