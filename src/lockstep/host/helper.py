"""A process of ours that answers questions, one at a time: both of its ends.

It works on another core while Python's lock is held here, and takes down nobody when it dies.
Frames of bytes go through its standard input and output; what else it says goes into the error
message.

Rejected: `multiprocessing`. It imports the caller's main module again, forks or keeps a server
running, and what it sends is pickled.
"""

from __future__ import annotations

import os
import select
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from lockstep.errors import HostFailure

if TYPE_CHECKING:  # 10 ms that the helper need not pay, nor a start that needs none
    from subprocess import Popen

_HEADER: Final = struct.Struct("<4sQ")  # the magic number, and how many bytes follow
_MAGIC: Final = b"lshf"
_ROOT: Final = str(Path(__file__).parents[2])
_RUN: Final = """
import runpy, sys
_, root, module = sys.argv
if root not in sys.path:
    sys.path.insert(0, root)
sys.argv[1:] = []
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""
_TAIL: Final = 4
_TAIL_BYTES: Final = 1000
_PATIENCE_S: Final = 1.0
"""For what a helper says at its end, and until that has come through the pipe."""


class HelperDied(HostFailure):
    """It ended before it answered; the message has the last lines that it wrote.

    `last`: it is given up because of this.
    """

    def __init__(self, message: str, *, last: bool = False) -> None:
        super().__init__(message)
        self.last = last


class Helper:
    """The module `module` as a process, started by the first question; when it has died, again by
    the next one, `most_restarts` times. States: not started and running in turn, then over.

    Its priority is lower than ours by `nice`. It does not get the terminal's Ctrl-C, and ends when
    this process does.
    """

    def __init__(self, module: str, *, nice: int = 5, most_restarts: int = 0) -> None:
        self._module = module
        self._nice = nice
        self._most_restarts = most_restarts
        self._busy = threading.Lock()
        self._guard = threading.Lock()
        # Guarded by _guard.
        self._starts = 0
        self._over = False
        self._child: _Child | None = None

    @property
    def over(self) -> bool:
        """Whether nothing can be asked any more."""
        return self._over

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        return max(self._starts - 1, 0)

    def ask(self, request: bytes) -> bytes:
        """Its answer, however long that takes. Raises HelperDied if it ends, or is over already."""
        with self._busy:
            child = self._living()
            try:
                answer = child.exchange(request)
            except BaseException:  # half a frame may be under way
                self._bury(child)
                raise
            if answer is None:
                raise self._bury(child)
            return answer

    def close(self) -> None:
        """End it, whatever it is doing; whoever waits for it gets HelperDied. From any thread."""
        with self._guard:
            self._over = True
            if self._child is not None:
                self._child.kill()
        with self._busy:
            child = self._child
            if child is not None:
                self._bury(child)

    def _living(self) -> _Child:
        """Whoever died between two questions died of neither: the next one is not lost."""
        child = self._started()
        if not child.ended():
            return child
        death = self._bury(child)
        if death.last:
            raise death
        return self._started()

    def _started(self) -> _Child:
        with self._guard:
            if self._over:
                raise HelperDied(f"{self._module} is over")
            if self._child is None:
                self._starts += 1
                try:
                    self._child = _Child(self._module, self._nice)
                except (OSError, ValueError, RuntimeError) as error:
                    raise self._death(f"cannot be started: {error}") from error
            return self._child

    def _bury(self, child: _Child) -> HelperDied:
        """Leave nothing of it behind: no process, no file descriptor. What there is to say."""
        status, said = child.bury()
        how = f"signal {-status}" if status < 0 else f"status {status}"
        with self._guard:
            self._child = None
            return self._death(f"ended with {how}{said and ': ' + said}")

    def _death(self, how: str) -> HelperDied:
        """Give it up if that was once too often. Caller holds _guard."""
        last = not self._over and self._starts > self._most_restarts
        self._over = self._over or last
        return HelperDied(f"{self._module} {how}", last=last)


class _Child:
    """A running helper. `exchange` and `bury` are the business of one thread at a time."""

    def __init__(self, module: str, nice: int) -> None:
        from subprocess import PIPE, Popen

        # -P: what is in the user's directory must not be taken for a module of ours, but all of
        # ours come from where this one does.
        self._process: Popen[bytes] = Popen(
            [sys.executable, "-P", "-c", _RUN, _ROOT, module],
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            # Rejected: start_new_session. Between sessions the kernel shares the processor out
            # evenly (sched_autogroup), and `nice` would mean nothing.
            process_group=0,
        )
        with suppress(OSError):  # it ended at once
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _priority() + nice)
        self._said: deque[bytes] = deque(maxlen=_TAIL)
        self._listener = threading.Thread(
            target=self._listen, name=f"{module}'s errors", daemon=True
        )
        try:
            self._listener.start()
        except RuntimeError:  # the host is short of threads
            self._process.kill()
            self._process.communicate()
            raise

    def exchange(self, request: bytes) -> bytes | None:
        """Ask, and wait for the answer; None: there will be none."""
        assert self._process.stdin is not None, "a pipe was asked for"
        assert self._process.stdout is not None, "a pipe was asked for"
        try:
            _write_frame(self._process.stdin, request)
            return _read_frame(self._process.stdout)
        except OSError:
            return None

    def ended(self) -> bool:
        """Whether it is dead already."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End it. From any thread."""
        self._process.kill()

    def bury(self) -> tuple[int, str]:
        """Reap it, but let it say first why it ends. Its status, and the last it said."""
        from subprocess import TimeoutExpired

        process = self._process
        try:
            status = process.wait(_PATIENCE_S)
        except TimeoutExpired:
            self.kill()
            status = process.wait()
        self._listener.join(_PATIENCE_S)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None, "a pipe was asked for"
            with suppress(OSError):  # what was not written yet never will be
                pipe.close()
        said = b"".join(self._said)[-_TAIL_BYTES:].decode(errors="replace")
        return status, said.strip()

    def _listen(self) -> None:
        """Read what it writes to standard error, or it would have to wait when the pipe is full."""
        assert self._process.stderr is not None, "a pipe was asked for"
        with self._process.stderr as errors:
            while line := errors.readline(_TAIL_BYTES):
                self._said.append(line)


def serve(answer: Callable[[bytes], bytes]) -> None:
    """In the helper: answer questions until nobody is left to ask. What `answer` raises ends it."""
    source, sink = _private(0, os.devnull), _private(1, None)
    threading.Thread(target=_end_with_asker, args=(source,), daemon=True).start()
    with suppress(BrokenPipeError), open(source, "rb") as questions, open(sink, "wb") as answers:
        while (request := _read_frame(questions)) is not None:
            _write_frame(answers, answer(request))


def _end_with_asker(source: int) -> None:
    """If it is killed, the answer under way is for nobody."""
    poll = select.poll()
    poll.register(source, 0)  # POLLHUP comes unasked for, and only when the other end is closed
    poll.poll()
    os._exit(0)


def _private(fd: int, instead: str | None) -> int:
    """A number of our own for `fd`, under which others now find `instead`, or standard error: a
    stray `print` must not get between two frames."""
    own = os.dup(fd)
    other = 2 if instead is None else os.open(instead, os.O_RDONLY)
    os.dup2(other, fd)
    if other != 2:
        os.close(other)
    return own


def _priority() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


def _write_frame(pipe: IO[bytes], data: bytes) -> None:
    pipe.write(_HEADER.pack(_MAGIC, len(data)))
    pipe.write(data)
    pipe.flush()


def _read_frame(pipe: IO[bytes]) -> bytes | None:
    """None: the other side has ended, or does not speak like one of ours."""
    header = pipe.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    magic, size = _HEADER.unpack(header)
    if magic != _MAGIC:
        return None
    data = pipe.read(size)
    return data if len(data) == size else None
