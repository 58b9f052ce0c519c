"""What SIGINT, SIGTERM and SIGHUP do to the command while no session listens for them.

As the command starts and as it ends there is nothing to tidy up: the process is over at once. In
between, `unwinding`, they raise `Stopped`, so that whatever is open is closed. There is never a
traceback, and the status is that of the signal.

Keep the imports few: what arrives before `arm` is Python's own affair.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE = 3


class Stopped(KeyboardInterrupt):
    """A signal came that ends the command."""

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


class _Now:
    """What a handler finds. Only the first thread changes it."""

    unwinding = False
    first: int | None = None
    count = 0


def arm() -> None:
    """From now on. A signal that is ignored (nohup, a shell's background jobs) stays ignored."""
    for number in STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


@contextmanager
def unwinding() -> Iterator[None]:
    """While entered the first signal raises Stopped. One more is patience; with the third it is
    over."""
    _Now.first, _Now.count = None, 0
    _Now.unwinding = True
    try:
        yield
    finally:
        _Now.unwinding = False


def status() -> int | None:
    """What the command ends with because of a signal; None: none came."""
    return None if _Now.first is None else 128 + _Now.first


def leave(exit_status: int) -> NoReturn:
    """Unwind as for the signal whose status this is: a session heard it, and what was to come
    after the session is not to come."""
    _Now.first = exit_status - 128
    raise Stopped(_Now.first)


def again(number: int) -> None:
    """Raise Stopped once more: the first was lost where nothing can be raised, as in `__del__`."""
    _Now.count = 0
    os.kill(os.getpid(), number)


def _stop(number: int, frame: FrameType | None) -> None:
    _Now.count += 1
    if not _Now.unwinding or _Now.count >= _PATIENCE:
        os._exit(128 + number)
    if _Now.count == 1:
        _Now.first = number
        raise Stopped(number)
