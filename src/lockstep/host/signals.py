"""SIGINT, SIGTERM and SIGHUP become a flag and a rung bell: a handler must not raise in mid-air."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, Final, Self

_WATCHED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE: Final = 2
_NONE: Final = -1  # no file descriptor


class StopSignals:
    """While entered, remembers the stop signal that came. The third one kills as usual.

    Signal handlers belong to the interpreter's first thread; in any other this does nothing. That
    thread must wake up when a byte is written to `bell`: the kernel may give a signal to another
    thread, as it may to one that has just started a process and unblocks signals. Python then notes
    it, and runs the handler when the first thread comes back from wherever it waits.
    """

    def __init__(self, ring: Callable[[], None], bell: int = _NONE) -> None:
        self._ring = ring
        self._bell = bell
        self._previous_bell = _NONE
        self._previous: dict[signal.Signals, Any] = {}
        self._count = 0
        self.received: int | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _WATCHED:
                # nohup has its way; a shell that starts background jobs deaf to SIGINT does not.
                if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._note)
            if self._bell != _NONE:
                self._previous_bell = signal.set_wakeup_fd(self._bell, warn_on_full_buffer=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self._previous and self._bell != _NONE:
            try:
                signal.set_wakeup_fd(self._previous_bell)
            except (OSError, ValueError):  # whoever had one before has closed it meanwhile
                signal.set_wakeup_fd(_NONE)
        self._previous = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self._count += 1
        if self._count >= _PATIENCE:
            for watched in self._previous:
                signal.signal(watched, signal.SIG_DFL)
        if self._previous_bell != _NONE:
            with suppress(OSError):  # whoever rang before may want to know, too
                os.write(self._previous_bell, bytes((number,)))
        self._ring()
