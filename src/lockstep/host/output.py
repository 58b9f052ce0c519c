"""Output that never holds a lock up: one thread writes what another puts down.

Rejected: to wait in `put` for a slow reader. It is called from the middle of an execution period,
with both locks held, so whoever wanted to end the session would have waited for the reader too.
"""

import errno
import os
import select
import threading
from collections.abc import Callable
from typing import Final

from lockstep.threads import start

BACKLOG_LIMIT: Final = 1 << 20
"""How far the machine may run ahead of a slow reader before it should stop and wait."""

LAST_CALL_SECONDS: Final = 5.0
"""How long the end waits for a reader of what is left."""

_NO_PATIENCE: Final = 0.2

GATHERING_SECONDS: Final = 0.002
"""A guest writes byte by byte; waking the host for each would cost more than the guest's work."""


class OutputPump:
    """Takes bytes from the vCPU thread and writes them, blocking, in a thread of its own.

    `write` writes all it is given or raises OSError, after which output is thrown away. `lost` is
    the reason, unless that is a reader who left. Raises HostFailure if there are no threads left.
    """

    def __init__(
        self, name: str, write: Callable[[bytes], None], gathering_s: float = GATHERING_SECONDS
    ) -> None:
        self._write = write
        self._gathering_s = gathering_s
        self.lost: OSError | None = None
        self._changed = threading.Condition()
        # Guarded by _changed.
        self._backlog = bytearray()
        self._writing = False
        self._closing = False
        self._discarding = False
        self._thread = threading.Thread(target=self._pump, name=f"output {name}", daemon=True)
        start(self._thread)

    def put(self, data: bytes) -> None:
        """Queue output. Never waits."""
        with self._changed:
            if self._discarding:
                return
            if not self._backlog:
                self._changed.notify_all()
            self._backlog += data

    @property
    def congested(self) -> bool:
        """Whether the reader is a whole backlog behind: no more should be put."""
        return len(self._backlog) > BACKLOG_LIMIT

    @property
    def behind(self) -> bool:
        """Whether something is not written yet."""
        return self._writing or bool(self._backlog)

    def flush(self, patience: float) -> None:
        """Wait until all is written, for at most `patience` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self.behind, patience)

    def abandon(self) -> None:
        """Throw away what is not written yet, and all that follows. Any thread may call it."""
        with self._changed:
            self._discarding = True
            self._backlog.clear()
            self._changed.notify_all()

    def close(self, patience: float | None = None) -> None:
        """Write what is left, for at most `patience` seconds."""
        patience = LAST_CALL_SECONDS if patience is None else patience
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(_NO_PATIENCE if self._discarding else patience)
        if self._thread.is_alive() and not self._discarding:
            self.lost = TimeoutError(errno.ETIMEDOUT, "nobody reads it")
        self.abandon()

    def _pump(self) -> None:
        while (data := self._next()) is not None:
            try:
                self._write(data)
            except MemoryError:
                self.lost = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
                self.abandon()
            except OSError as error:
                if not isinstance(error, BrokenPipeError):
                    self.lost = error
                self.abandon()

    def _next(self) -> bytes | None:
        """The next batch; None when there will be none."""
        with self._changed:
            self._writing = False
            self._changed.notify_all()
            while not self._backlog:
                if self._closing or self._discarding:
                    return None
                self._changed.wait()
            if not self._closing:
                self._changed.wait_for(lambda: self._closing, self._gathering_s)
            self._writing = True
            data = bytes(self._backlog)
            self._backlog.clear()
            return data


def write_all(fd: int, data: bytes) -> None:
    """Write everything, however long that takes; for an `OutputPump`.

    Standard streams may not block, if whoever is at their other end has it so: then they are waited
    for here.
    """
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except BlockingIOError:
            select.select([], [fd], [])
