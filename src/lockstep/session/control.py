"""The mailbox through which other threads reach the machine: they post, the main loop serves.

An asker gets a frozen value back, or the error; never anything that lives in the machine.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import msgspec

from lockstep.det.world import Arrival
from lockstep.errors import InternalError

T = TypeVar("T")


class Status(msgspec.Struct, frozen=True):
    """Where the machine is."""

    instructions: int
    virtual_ns: int
    pcs: tuple[int, ...]
    idle: bool


class _Letter:
    """A request, and the place where its answer appears."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.answered = threading.Event()
        self.value: Any = None
        self.error: BaseException | None = None

    def serve(self) -> None:
        try:
            self.value = self.work()
        except Exception as error:
            self.error = error
        self.answered.set()


class Mailbox:
    """States: open, then closed; afterwards every request is refused."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._guard = threading.Lock()
        # Guarded by _guard.
        self._letters: deque[_Letter] = deque()
        self._closed = False

    def ask(self, work: Callable[[], T]) -> T:
        """Have the main loop do `work` while no hart runs, and wait for what it returns.

        Not for the main loop's own thread, which would wait for itself.
        """
        letter = _Letter(work)
        self._post(letter)
        letter.answered.wait()
        if letter.error is not None:
            raise letter.error
        value: T = letter.value
        return value

    def leave(self, work: Callable[[], None]) -> bool:
        """Have it done soon, without an answer. Any thread, the main loop's included.

        False if the session is over.
        """
        try:
            self._post(_Letter(work))
        except InternalError:
            return False
        return True

    @property
    def waiting(self) -> bool:
        """Whether there is something to serve."""
        return bool(self._letters)

    def serve(self) -> None:
        """Do all that was asked for. The main loop calls it: both locks held, no hart running."""
        while True:
            with self._guard:
                if not self._letters:
                    return
                letter = self._letters.popleft()
            letter.serve()

    def close(self) -> None:
        """Refuse everything from now on, and what has not been served."""
        with self._guard:
            self._closed = True
            refused = list(self._letters)
            self._letters.clear()
        for letter in refused:
            letter.error = _over()
            letter.answered.set()

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
