"""A fair lock that knows who holds it and where it was taken; `locks` makes the two of ours.

First come, first served: release hands the lock to the longest waiter and wakes only that one, so
a thread that releases and takes again at once cannot starve another. Rejected: a mutex with a
condition variable (wakes every waiter, each time), and `threading.Lock` alone (unfair, and it
cannot say who holds it).

A signal handler must not raise between the lines of this module: let it set a flag.
"""

import sys
import threading
from collections import deque
from collections.abc import Callable
from threading import get_ident
from types import CodeType, FrameType
from typing import Annotated, Final, Self

import msgspec

from lockstep.errors import InternalError

Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
"""One that a file may say, too."""

_NOBODY: Final = 0
_RESERVED: Final = -1  # handed over to a thread that has not adopted it yet


class LockError(InternalError):
    """A lock was used against the rules: a bug of ours that might have become a deadlock."""


class ThreadCounts(msgspec.Struct, frozen=True):
    """What one thread did with one lock. Times are 0 where no clock was given."""

    thread: str
    holds: Count
    waits: Count
    hand_overs: Count
    waited_ns: Count
    longest_wait_ns: Count

    def __str__(self) -> str:
        return (
            f"{self.thread}: taken {self.holds:,} times, handed over {self.hand_overs:,} times; "
            f"waited {self.waits:,} times, {self.waited_ns / 1e6:,.1f} ms in all, "
            f"{self.longest_wait_ns / 1e6:,.1f} ms at most"
        )


class LockCounts(msgspec.Struct, frozen=True):
    """A frozen picture of one lock."""

    lock: str
    enabled: bool
    holder: str | None
    threads: tuple[ThreadCounts, ...]

    def lines(self) -> list[str]:
        """For people: a line for each thread."""
        if not self.enabled and not self.threads:
            return [f"{self.lock}: not used, as nothing is recorded or replayed"]
        return [f"{self.lock}, {each}" for each in self.threads]


class Site:
    """A place in the source. Formatted only when an error needs it."""

    __slots__ = ("code", "line")

    def __init__(self, frame: FrameType) -> None:
        self.code: CodeType = frame.f_code
        self.line: int = frame.f_lineno

    def __str__(self) -> str:
        file = "/".join(self.code.co_filename.split("/")[-2:])
        return f"{file}:{self.line} in {self.code.co_qualname}"


class _Tally:
    """One thread's counters, changed only by that thread."""

    __slots__ = ("hand_overs", "holds", "longest_wait_ns", "thread", "waited_ns", "waits")

    def __init__(self, thread: str) -> None:
        self.thread = thread
        self.holds = self.waits = self.hand_overs = self.waited_ns = self.longest_wait_ns = 0

    def add_wait(self, ns: int) -> None:
        self.holds += 1
        self.waits += 1
        self.waited_ns += ns
        self.longest_wait_ns = max(self.longest_wait_ns, ns)

    def freeze(self) -> ThreadCounts:
        return ThreadCounts(**{name: getattr(self, name) for name in self.__slots__})


class _Ticket:
    """A place in the queue. `called` is let go when the lock has become the waiter's."""

    __slots__ = ("called", "ident", "site")

    def __init__(self, ident: int, site: Site) -> None:
        self.ident = ident
        self.site = site
        self.called = threading.Lock()
        self.called.acquire()


class FifoLock:
    """A lock with an owner, a queue and a memory of where it was taken. Not re-entrant.

    States: enabled, then disabled for good by `close`; or disabled from the start. While disabled
    every call is a no-op.
    """

    def __init__(self, name: str, *, enabled: bool, clock: Callable[[], int] | None) -> None:
        self.name = name
        self._enabled = enabled
        self._clock = clock
        self._guard = threading.Lock()
        # Guarded by _guard. A free lock has an empty queue: release passes it on, never lets go.
        self._owner = _NOBODY
        self._site: Site | None = None
        self._heir: threading.Thread | None = None
        self._queue: deque[_Ticket] = deque()
        self._tallies: dict[int, _Tally] = {}

    @property
    def enabled(self) -> bool:
        """Whether the lock excludes anybody."""
        return self._enabled

    def acquire(self) -> None:
        """Wait for the lock, in turn."""
        if self._enabled:
            self._take(sys._getframe(1))

    def release(self) -> None:
        """Hand the lock to the next in line."""
        if self._enabled:
            self._drop(sys._getframe(1))

    def __enter__(self) -> Self:
        if self._enabled:
            self._take(sys._getframe(1))
        return self

    def __exit__(self, *_: object) -> None:
        if self._enabled:
            self._drop(sys._getframe(1))

    def release_if_held(self) -> None:
        """For shut-down paths that cannot know how far they got: release if it is the caller's."""
        if self.held():
            self._drop(sys._getframe(1))

    def transfer_to(self, thread: threading.Thread) -> None:
        """Give the lock to `thread`, which may not have started yet; it then calls `adopt`."""
        if self._enabled:
            self._transfer(thread, sys._getframe(1))

    def adopt(self) -> None:
        """Become the owner of a lock that was transferred to this thread."""
        if self._enabled:
            self._adopt(sys._getframe(1))

    def close(self) -> None:
        """Disable the lock for good, from any thread and whoever holds it; let every waiter go."""
        with self._guard:
            self._enabled = False
            self._owner = _NOBODY
            self._heir = self._site = None
            for ticket in self._queue:
                ticket.called.release()
            self._queue.clear()

    def held(self) -> bool:
        """Whether the calling thread holds the lock."""
        return self._owner == get_ident()

    def require_held(self, purpose: str) -> None:
        """Refuse `purpose` ("logging an arrival") unless the calling thread holds the lock."""
        if self._enabled and self._owner != get_ident():
            raise LockError(
                f"{purpose} in thread {thread_name()!r} without the {self.name} "
                f"(holder: {self._holder()!r})"
            )

    @property
    def taken_at(self) -> str:
        """Where the holder took it, for error messages."""
        return str(self._site)

    def counts(self) -> LockCounts:
        """Holds, waits and hand-overs of every thread so far."""
        with self._guard:
            threads = tuple(tally.freeze() for tally in self._tallies.values())
            holder = None if self._owner == _NOBODY else self._holder()
        return LockCounts(self.name, self._enabled, holder, threads)

    def _take(self, frame: FrameType) -> None:
        me = get_ident()
        site = Site(frame)
        with self._guard:
            if not self._enabled:
                return  # closed since the caller looked
            tally = self._tallies.get(me) or self._new_tally(me)
            if self._owner == _NOBODY:
                self._owner = me
                self._site = site
                tally.holds += 1
                return
            if self._owner == me:
                raise LockError(
                    f"thread {tally.thread!r} takes the {self.name} at {site}, but holds it "
                    f"already, taken at {self._site}"
                )
            ticket = _Ticket(me, site)
            self._queue.append(ticket)
        began = self._clock() if self._clock else 0
        self._await(ticket)
        tally.add_wait(self._clock() - began if self._clock else 0)

    def _await(self, ticket: _Ticket) -> None:
        try:
            ticket.called.acquire()
        except BaseException:  # KeyboardInterrupt: leave the queue, or pass on what just came
            with self._guard:
                if ticket in self._queue:
                    self._queue.remove(ticket)
                elif self._owner == ticket.ident:
                    self._pass_on()
            raise

    def _drop(self, frame: FrameType) -> None:
        with self._guard:
            if self._enabled:
                me = self._require_owner("releases", frame)
                if self._queue:
                    self._tallies[me].hand_overs += 1
                self._pass_on()

    def _pass_on(self) -> None:
        if self._queue:
            ticket = self._queue.popleft()
            self._owner = ticket.ident
            self._site = ticket.site
            ticket.called.release()
        else:
            self._owner = _NOBODY
            self._site = None

    def _transfer(self, thread: threading.Thread, frame: FrameType) -> None:
        with self._guard:
            if self._enabled:
                me = self._require_owner("transfers", frame)
                self._tallies[me].hand_overs += 1
                self._owner = _RESERVED
                self._heir = thread
                self._site = Site(frame)

    def _adopt(self, frame: FrameType) -> None:
        with self._guard:
            if not self._enabled:
                return
            if self._heir is not threading.current_thread():
                raise LockError(
                    f"thread {thread_name()!r} adopts the {self.name} at {Site(frame)}, but it was "
                    f"not transferred to it (holder: {self._holder()!r})"
                )
            self._owner = me = get_ident()
            self._heir = None
            self._site = Site(frame)
            (self._tallies.get(me) or self._new_tally(me)).holds += 1

    def _require_owner(self, verb: str, frame: FrameType) -> int:
        me = get_ident()
        if self._owner == me:
            return me
        whose = "nobody holds it"
        if self._owner != _NOBODY:
            whose = f"it belongs to thread {self._holder()!r}, taken at {self._site}"
        raise LockError(
            f"thread {thread_name()!r} {verb} the {self.name} at {Site(frame)}, but {whose}"
        )

    def _new_tally(self, ident: int) -> _Tally:
        tally = self._tallies[ident] = _Tally(thread_name())
        return tally

    def _holder(self) -> str:
        if self._heir is not None:
            return self._heir.name
        tally = self._tallies.get(self._owner)
        return tally.thread if tally else "nobody"


def thread_name() -> str:
    """The calling thread, as error messages call it."""
    return threading.current_thread().name
