"""SIGINT and SIGTERM become a flag and a rung bell: a handler must not raise between two lines."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final, Self

_WATCHED: Final = (signal.SIGINT, signal.SIGTERM)
_PATIENCE: Final = 2


class StopSignals:
    """While entered, remembers the stop signal that came. The third one kills as usual.

    Signal handlers belong to the interpreter's first thread; in any other this does nothing.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._previous: dict[signal.Signals, Any] = {}
        self._count = 0
        self.received: int | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in _WATCHED}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self._count += 1
        if self._count >= _PATIENCE:
            for watched in _WATCHED:
                signal.signal(watched, signal.SIG_DFL)
        self._ring()
