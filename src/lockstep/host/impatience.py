"""A signal that ends the command ends it soon, whatever it is doing.

Python runs no handler while a library of C is at work: SQLite checks a database, LLVM compiles. So
a thread reads what the kernel's part of Python writes at once for every signal, and if nothing has
come of that after a while it ends the process. For verbs that only read: nothing of theirs is lost.
"""

import os
import signal
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

_PATIENCE_S: Final = 1.3
_STOPS: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
_NONE: Final = -1


class Impatience:
    """While entered. `last` is called before the process ends: whatever there is to tidy up.

    The kernel's side is taken over from whoever had it, and given back.
    """

    def __init__(self, last: Callable[[], None], patience_s: float = _PATIENCE_S) -> None:
        self._last = last
        self._patience_s = patience_s
        self._over = threading.Event()
        self._pipe: tuple[int, int] | None = None
        self._previous = _NONE
        self._thread = threading.Thread(target=self._watch, name="impatience", daemon=True)

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            return self
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[1], False)
        try:
            self._thread.start()
        except RuntimeError:  # no more threads: then it lasts as long as it lasts
            self._close()
            return self
        self._previous = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._pipe is not None:
            signal.set_wakeup_fd(self._previous)
            os.write(self._pipe[1], b"\0")
            self._thread.join()
            self._close()

    def _watch(self) -> None:
        assert self._pipe is not None, "it was made before the thread"
        source, _ = self._pipe
        while not self._over.is_set():
            said = os.read(source, 1)
            if said[0] not in _STOPS or signal.getsignal(said[0]) is signal.SIG_IGN:
                continue
            if not self._over.wait(self._patience_s):
                self._last()
                os._exit(128 + said[0])

    def _close(self) -> None:
        if self._pipe is not None:
            for each in self._pipe:
                os.close(each)
            self._pipe = None
