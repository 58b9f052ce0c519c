"""Waiting for the host: file descriptors, a timeout, and a bell that any thread may ring."""

import os
import select
from collections.abc import Iterable


class Poller:
    """One thread waits; every thread, and a signal handler, may wake it."""

    def __init__(self) -> None:
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def ring(self) -> None:
        """Make the present wait, or the next, return at once."""
        os.eventfd_write(self._bell, 1)

    def wait(self, sources: Iterable[int], timeout_ns: int | None) -> list[int]:
        """The sources that are ready, after at most `timeout_ns` (None: however long it takes).

        `poll`, not `epoll`: standard input may be a plain file.
        """
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        for source in sources:
            poll.register(source, select.POLLIN)
        # Rounded up: waking a moment too early would only mean another round.
        timeout = None if timeout_ns is None else -(-max(timeout_ns, 0) // 1_000_000)
        ready = [source for source, _ in poll.poll(timeout)]
        if self._bell in ready:
            ready.remove(self._bell)
            os.eventfd_read(self._bell)
        return ready

    def close(self) -> None:
        """Give the bell back."""
        os.close(self._bell)
