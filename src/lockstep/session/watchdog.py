"""The watchdog of a replay: if nothing moves any more, that is a report and not a hang.

All that a log can do to a machine shows at the next logged instant. So this is for bugs alone: an
engine that does not come back, a device that loops, a lock that nobody gives up.
"""

import threading
from collections.abc import Callable
from typing import Final, Self

from lockstep.threads import start

_BEAT_S: Final = 1.0
_PATIENCE: Final = 120
"""So many beats without any change. Beats, not seconds: a host that slept is no reason to bark."""


class Watchdog:
    """Looks at `position` from a thread of its own while entered. If that stays the same for too
    long, and nothing is `resting` on purpose, it calls `bark` with what it saw, once."""

    def __init__(
        self,
        position: Callable[[], object],
        resting: Callable[[], bool],
        bark: Callable[[str], None],
        patience: int = _PATIENCE,
        beat_s: float = _BEAT_S,
    ) -> None:
        self._position = position
        self._resting = resting
        self._bark = bark
        self._patience = patience
        self._beat_s = beat_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        start(self._thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        last, still = self._position(), 0
        while not self._over.wait(self._beat_s):
            now = self._position()
            still = 0 if now != last or self._resting() else still + 1
            last = now
            if still >= self._patience:
                self._bark(f"does not move: nothing has changed for {still * self._beat_s:g} s")
                return
