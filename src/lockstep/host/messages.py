"""Standard error for a program that must not wait for whoever reads it.

The main loop speaks with both locks held: the monitor's answers, the progress of a replay. A pipe
that nobody empties, or a terminal that Ctrl-S has stopped, would stop the machine, the locks and
Ctrl-C with it. So what is said is queued, and a thread of its own does the waiting.

Rejected: to write only what fits at once. What does not fit would be lost, and a pipe that looks
writable may be filled by another process before it is written to.
"""

import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from lockstep.host.output import OutputPump, write_all

_STDERR: Final = 2
_MOMENT_S: Final = 1.0


@contextmanager
def queued_stderr() -> Iterator[None]:
    """While entered, nobody waits who writes to `sys.stderr`. At the end its reader has a few
    seconds more; what is not read then is lost."""
    before = sys.stderr
    before.flush()
    queue = _Queue()
    sys.stderr = io.TextIOWrapper(
        queue, before.encoding, errors="backslashreplace", write_through=True
    )
    try:
        yield
    finally:
        sys.stderr = before
        with suppress(KeyboardInterrupt):  # somebody has waited long enough
            queue.pump.close()
        queue.pump.abandon()


def unread() -> bool:
    """Whether something that was said still waits to be read."""
    queue = _queue()
    return queue is not None and queue.pump.behind


def read_so_far() -> None:
    """Wait a moment for what was said to be written: on a terminal it is to come before what is
    written next elsewhere."""
    queue = _queue()
    if queue is not None:
        queue.pump.flush(_MOMENT_S)


def write_console(fd: int, data: bytes) -> None:
    """Write what the guest says; for an `OutputPump`. Where messages go to the same terminal or
    file, the next one begins on a line of its own."""
    queue = _queue()
    if queue is None or not _same_file(fd, _STDERR):
        write_all(fd, data)
        return
    with queue.turn:
        write_all(fd, data)
        queue.in_mid_line = not data.endswith(b"\n")


def _queue() -> "_Queue | None":
    buffer = getattr(sys.stderr, "buffer", None)
    return buffer if isinstance(buffer, _Queue) else None


def _same_file(one: int, other: int) -> bool:
    try:
        return os.path.sameopenfile(one, other)
    except OSError:  # one of them is closed
        return False


class _Queue(io.RawIOBase):
    """A file of which `write` never waits."""

    def __init__(self) -> None:
        self.pump = OutputPump("messages", self._say, gathering_s=0)
        self.turn = threading.Lock()
        # Guarded by turn.
        self.in_mid_line = False
        """The guest has begun a line, in the same file, and not ended it."""

    def _say(self, data: bytes) -> None:
        with self.turn:
            if self.in_mid_line and not data.startswith(b"\n"):
                data = b"\n" + data
            self.in_mid_line = False
            write_all(_STDERR, data)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.pump.put(bytes(data))
        return len(data)

    def fileno(self) -> int:
        return _STDERR

    def isatty(self) -> bool:
        return os.isatty(_STDERR)
