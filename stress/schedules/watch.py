"""What a schedule measures while it runs: how long threads waited for a lock, and behind whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lockstep.det.fifo import FifoLock


@dataclass
class Watch:
    """Over both locks. `overtaken` names every wait in which somebody got in front."""

    clock: Callable[[], int]
    waits: int = 0
    longest_ns: int = 0
    most_ahead: int = 0
    overtaken: list[str] = field(default_factory=list)
    _turns: dict[FifoLock, int] = field(default_factory=dict)

    def methods(self) -> dict[str, Callable[..., Any]]:
        """Replacements for methods of `FifoLock`."""
        wait, pass_on = FifoLock._await, FifoLock._pass_on

        def watched_wait(lock: FifoLock, ticket: Any) -> None:
            queue = list(lock._queue)  # a ticket that has left it has had its turn called
            ahead = 1 + queue.index(ticket) if ticket in queue else 0
            turns, began = self._turns.get(lock, 0), self.clock()
            wait(lock, ticket)
            self._note(lock, ahead, self._turns.get(lock, 0) - turns, self.clock() - began)

        def watched_pass_on(lock: FifoLock) -> None:
            self._turns[lock] = self._turns.get(lock, 0) + 1
            pass_on(lock)

        return {"_await": watched_wait, "_pass_on": watched_pass_on}

    def _note(self, lock: FifoLock, ahead: int, turns: int, ns: int) -> None:
        self.waits += 1
        self.longest_ns = max(self.longest_ns, ns)
        self.most_ahead = max(self.most_ahead, ahead)
        if turns > ahead:
            self.overtaken.append(f"{lock.name}: {ahead} were ahead, {turns} went first")
