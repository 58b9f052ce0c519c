"""The two locks, the one order they may be taken in, and waiting for another thread.

The *replay mutex* makes a log entry and its effect on the machine one atomic step: it is held for
a whole execution period or dispatch phase. The *big lock* guards device state and is the finer
grained, so the order is: replay mutex first, then big lock. They may be released in either order.
Misuse raises an error that names locks, threads and places, in every build.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from lockstep.det.fifo import FifoLock, LockCounts, LockError, Site, thread_name

_LIVENESS_CHECK_SECONDS: Final = 1.0


class Deadlock(LockError):
    """A thread was about to wait for another that cannot come."""


class BigLock(FifoLock):
    """Guards device state. The finer-grained of the two, taken last."""

    def __init__(self, clock: Callable[[], int] | None = None) -> None:
        super().__init__("big lock", enabled=True, clock=clock)


class ReplayMutex(FifoLock):
    """Held for a whole execution period; enabled only while a recording or a replay is active."""

    def __init__(
        self, big: BigLock, *, enabled: bool, clock: Callable[[], int] | None = None
    ) -> None:
        super().__init__("replay mutex", enabled=enabled, clock=clock)
        self._big = big

    def _take(self, frame: FrameType) -> None:
        if self._big.held():
            raise LockError(
                f"thread {thread_name()!r} takes the replay mutex at {Site(frame)} while holding "
                f"the big lock, taken at {self._big.taken_at}: the replay mutex comes first"
            )
        super()._take(frame)


class Locks:
    """The pair that guards one machine, and who waits for whom outside of them."""

    def __init__(self, *, enabled: bool, clock: Callable[[], int] | None = None) -> None:
        self.big = BigLock(clock)
        self.replay = ReplayMutex(self.big, enabled=enabled, clock=clock)
        self._guard = threading.Lock()
        self._waiting: dict[threading.Thread, tuple[threading.Thread, str]] = {}

    def transfer_to(self, thread: threading.Thread) -> None:
        """Hand both locks over: the thread that builds the machine need not run it."""
        self.big.transfer_to(thread)
        self.replay.transfer_to(thread)

    def adopt(self) -> None:
        """Take over both locks, in the thread they were transferred to."""
        self.replay.adopt()
        self.big.adopt()

    def counts(self) -> tuple[LockCounts, ...]:
        """What every thread did with both, so far."""
        return self.replay.counts(), self.big.counts()

    def wait_point(self, purpose: str) -> "WaitPoint":
        """A place to wait for another thread; `purpose` completes "waiting for T to ..."."""
        return WaitPoint(self, purpose)

    @contextmanager
    def waiting_for(self, other: threading.Thread, purpose: str) -> Iterator[None]:
        """Around a wait for `other` to do what `purpose` says: raises what `WaitPoint` raises."""
        self._begin_wait(other, purpose)
        try:
            yield
        finally:
            self._end_wait()

    def _begin_wait(self, other: threading.Thread, purpose: str) -> None:
        me = threading.current_thread()
        for lock in (self.replay, self.big):
            if lock.held():
                raise Deadlock(
                    f"thread {me.name!r} waits for thread {other.name!r} to {purpose} while "
                    f"holding the {lock.name}, taken at {lock.taken_at}: {other.name!r} needs it "
                    f"to get there, so it must be released first"
                )
        with self._guard:
            chain = [me, other]
            while (link := self._waiting.get(chain[-1])) is not None and link[0] is not me:
                chain.append(link[0])
            if link is not None or other is me:
                names = " waits for ".join(repr(thread.name) for thread in [*chain, me])
                raise Deadlock(f"threads wait for each other to {purpose}: {names}")
            self._waiting[me] = (other, purpose)

    def _end_wait(self) -> None:
        with self._guard:
            del self._waiting[threading.current_thread()]


class WaitPoint:
    """Where one thread waits for another to pause, or to run some work for it. Reusable."""

    def __init__(self, locks: Locks, purpose: str) -> None:
        self._locks = locks
        self._purpose = purpose
        self._reached = threading.Event()

    def arrive(self) -> None:
        """The awaited thread is there; whoever waits goes on. Stays so until `reset`."""
        self._reached.set()

    def reset(self) -> None:
        """Forget the last arrival, before asking for the next."""
        self._reached.clear()

    def wait_for(self, other: threading.Thread, timeout: float | None = None) -> bool:
        """Wait until `other` arrives. False after `timeout` seconds.

        Raises Deadlock at once, and naming both threads, if the caller holds a lock that `other`
        needs, if `other` is itself waiting for the caller, or when it has ended without arriving.
        """
        with self._locks.waiting_for(other, self._purpose):
            while not self._reached.wait(_slice(timeout)):
                ended = other.ident is not None and not other.is_alive()
                if ended and not self._reached.is_set():
                    raise Deadlock(
                        f"thread {thread_name()!r} waits for thread {other.name!r} to "
                        f"{self._purpose}, but that thread has ended"
                    )
                if timeout is not None:
                    timeout -= _LIVENESS_CHECK_SECONDS
                    if timeout <= 0:
                        return False
            return True


def _slice(timeout: float | None) -> float:
    if timeout is None:
        return _LIVENESS_CHECK_SECONDS
    return min(timeout, _LIVENESS_CHECK_SECONDS)
