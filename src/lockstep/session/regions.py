"""Where the engine "auto" gets its regions from: the user's cache, or a compiler beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from lockstep.host.clock import monotonic_ns
from lockstep.host.helper import Helper, HelperDied
from lockstep.session.codecache import open_store

if TYPE_CHECKING:
    from lockstep.cpu.native.objects import Aide, Interpreter
    from lockstep.cpu.native.regions.foundry import Workshop
    from lockstep.cpu.native.regions.service import Foundry, Thresholds

_SMITH: Final = "lockstep.session.smith"


class Supply:
    """Regions from a store, or else from a process that compiles them while the guest goes on."""

    def __init__(self) -> None:
        from lockstep.cpu.native.regions.service import Geometric

        self.thresholds: Thresholds = Geometric()
        self._store = open_store()
        self._helper = Helper(_SMITH)
        self._workshop: Workshop | None = None
        self.aide: Aide | None = self._compile
        self._compile_ns = 0

    def foundry(self, interpreter: Interpreter, ready: Callable[[], None]) -> Foundry:
        """Open the workshop."""
        from lockstep.cpu.native.regions.foundry import Workshop

        self._workshop = Workshop(interpreter, self._store, self._compile, ready)
        return self._workshop

    def _compile(self, order: bytes) -> bytes | None:
        # Without a compiler the guest runs on, if slower.
        began = monotonic_ns()
        try:
            return self._helper.ask(order)
        except HelperDied:
            return None
        finally:
            self._compile_ns += monotonic_ns() - began

    def stats(self) -> dict[str, int]:
        """What was made where, so far."""
        made = {} if self._workshop is None else self._workshop.stats()
        return made | {"compile_ns": self._compile_ns}

    def close(self) -> None:
        """End the compiler, whatever it is doing."""
        self._helper.close()
        if self._workshop is not None:
            self._workshop.close()
        self._store.close()


@contextmanager
def supply(engine: str) -> Iterator[Supply | None]:
    """What an engine of this name needs."""
    if engine != "auto":
        yield None
        return
    made = Supply()
    try:
        yield made
    finally:
        made.close()
