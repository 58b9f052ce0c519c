"""Waiting for the host: file descriptors, a timeout, and a bell that any thread may ring."""

import os
import select
import threading
from collections.abc import Iterable
from typing import Final

_SELECT_LIMIT: Final = 1024  # FD_SETSIZE


class Poller:
    """One thread waits; every thread, and a signal handler, may wake it."""

    def __init__(self) -> None:
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        # A watchdog may ring while the main loop ends, when the number may be another file's.
        # Re-entrant, as a signal handler may ring in the middle of anything.
        self._guard = threading.RLock()
        self._closed = False

    def ring(self) -> None:
        """Make the present wait, or the next, return at once. Nothing after `close`."""
        with self._guard:
            if not self._closed:
                os.eventfd_write(self._bell, 1)

    def wait(self, sources: Iterable[int], timeout_ns: int | None) -> list[int]:
        """The sources that are ready, after at most `timeout_ns` (None: however long it takes)."""
        ready = _wait([self._bell, *sources], timeout_ns)
        if self._bell in ready:
            ready.remove(self._bell)
            os.eventfd_read(self._bell)
        return ready

    def close(self) -> None:
        """Give the bell back."""
        with self._guard:
            self._closed = True
            os.close(self._bell)


def _wait(sources: list[int], timeout_ns: int | None) -> list[int]:
    """`select`: it counts in microseconds, where `poll` counts in milliseconds; and unlike `epoll`
    it takes plain files, which standard input may be."""
    timeout_s = None if timeout_ns is None else max(timeout_ns, 0) / 1e9
    if max(sources) < _SELECT_LIMIT:
        return select.select(sources, [], [], timeout_s)[0]
    poll = select.poll()
    for source in sources:
        poll.register(source, select.POLLIN)
    return [source for source, _ in poll.poll(None if timeout_s is None else timeout_s * 1e3)]
