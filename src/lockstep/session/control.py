"""The mailbox through which other threads reach the machine: they post, the main loop serves.

An asker gets a frozen value back, or the error; never anything that lives in the machine.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import msgspec

from lockstep.det.fifo import LockCounts
from lockstep.det.locks import Locks
from lockstep.det.world import Arrival
from lockstep.errors import InternalError

T = TypeVar("T")


class Status(msgspec.Struct, frozen=True):
    """Where the machine is."""

    instructions: int
    virtual_ns: int
    pcs: tuple[int, ...]
    idle: bool
    locks: tuple[LockCounts, ...] = ()


class _Letter:
    """A request, and the place where its answer appears."""

    def __init__(self, work: Callable[[], Any], locks: Locks) -> None:
        self.work = work
        self.answered = locks.wait_point("answer a request")
        self.value: Any = None
        self.error: BaseException | None = None

    def serve(self) -> None:
        try:
            self.value = self.work()
        except Exception as error:
            self.error = error
        except BaseException:  # `exit()` ends the session; whoever asked must not wait for it
            self.error = _over()
            raise
        finally:
            self.answered.arrive()

    def refuse(self) -> None:
        self.error = _over()
        self.answered.arrive()


class Mailbox:
    """States: open, then closed; afterwards every request is refused."""

    def __init__(self, ring: Callable[[], None], locks: Locks) -> None:
        self._ring = ring
        self._locks = locks
        self.server = threading.current_thread()
        """The main loop's thread."""
        self._guard = threading.Lock()
        # Guarded by _guard.
        self._letters: deque[_Letter] = deque()
        self._closed = False

    def ask(self, work: Callable[[], T]) -> T:
        """Have the main loop do `work` while no hart runs, and wait for what it returns.

        Raises Deadlock in the main loop's own thread, and in one that holds a lock.
        """
        letter = _Letter(work, self._locks)
        if self._closed:
            raise _over()
        with self._locks.waiting_for(self.server, "answer a request"):  # before it is posted
            self._post(letter)
        letter.answered.wait_for(self.server)
        if letter.error is not None:
            raise letter.error
        value: T = letter.value
        return value

    def leave(self, work: Callable[[], None]) -> bool:
        """Have it done soon, without an answer. Any thread, the main loop's included.

        False if the session is over.
        """
        try:
            self._post(_Letter(work, self._locks))
        except InternalError:
            return False
        return True

    @property
    def waiting(self) -> bool:
        """Whether there is something to serve."""
        return bool(self._letters)

    def serve(self) -> None:
        """Do what was asked for until now. The main loop calls it: both locks held, no hart
        running. What is asked for meanwhile has to wait for the harts' next turn."""
        for _ in range(len(self._letters)):
            with self._guard:
                letter = self._letters.popleft()
            letter.serve()

    def close(self) -> None:
        """Refuse everything from now on, and what has not been served."""
        with self._guard:
            self._closed = True
            refused = list(self._letters)
            self._letters.clear()
        for letter in refused:
            letter.refuse()

    def _post(self, letter: _Letter) -> None:
        with self._guard:
            if self._closed:
                raise _over()
            self._letters.append(letter)
            self._ring()  # in here, because after `close` there may be no bell


class Desk(Protocol):
    """What the session does for a user interface. The main loop calls it, under both locks."""

    mailbox: Mailbox

    def post(self, arrival: Arrival) -> None:
        """Something arrives."""

    def request(self, power: bytes) -> None:
        """Press a button, or end the session."""

    def status(self) -> Status:
        """Where the machine is; asked while no hart runs."""


def _over() -> InternalError:
    return InternalError("the session is over: the machine cannot be asked any more")
