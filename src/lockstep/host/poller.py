"""Waiting for the host: file descriptors, a timeout, and a bell that any thread may ring."""

import os
import select
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

_SELECT_LIMIT: Final = 1024  # FD_SETSIZE
_PIPE_BYTES: Final = 1 << 16
_LONGEST_S: Final = 86_400.0


class Poller:
    """One thread waits; every thread, and a signal handler, may wake it. So does a byte that is
    written to the file descriptor `bell`."""

    def __init__(self) -> None:
        self._heard, self.bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # A watchdog may ring while the main loop ends, when the number may be another file's.
        # Re-entrant, as a signal handler may ring in the middle of anything.
        self._guard = threading.RLock()
        self._closed = False

    def ring(self) -> None:
        """Make the present wait, or the next, return at once. Nothing after `close`."""
        with self._guard:
            if not self._closed:
                with suppress(BlockingIOError):  # it was rung so often, and was not heard yet
                    os.write(self.bell, b"\0")

    def wait(self, sources: Iterable[int], timeout_ns: int | None) -> list[int]:
        """The sources that are ready, after at most `timeout_ns` (None: however long it takes).

        Sooner if that is longer than the kernel can wait: ask again.
        """
        ready = _wait([self._heard, *sources], timeout_ns)
        if self._heard in ready:
            ready.remove(self._heard)
            os.read(self._heard, _PIPE_BYTES)
        return ready

    def close(self) -> None:
        """Give the bell back."""
        with self._guard:
            self._closed = True
            os.close(self._heard)
            os.close(self.bell)


def _wait(sources: list[int], timeout_ns: int | None) -> list[int]:
    """`select`: it counts in microseconds, where `poll` counts in milliseconds; and unlike `epoll`
    it takes plain files, which standard input may be."""
    timeout_s = None if timeout_ns is None else min(max(timeout_ns, 0) / 1e9, _LONGEST_S)
    if max(sources) < _SELECT_LIMIT:
        return select.select(sources, [], [], timeout_s)[0]
    poll = select.poll()
    for source in sources:
        poll.register(source, select.POLLIN)
    return [source for source, _ in poll.poll(None if timeout_s is None else timeout_s * 1e3)]
