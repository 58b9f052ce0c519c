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
    from lockstep.places.trust import Notify

RESTARTS: Final = 3
"""Of the compiler in a session: what kills it more often will do so again."""

_SMITH: Final = "lockstep.session.smith"


class Supply:
    """Regions from a store, or else from a process that compiles them while the guest goes on.

    `notify` is told, from any thread, if that process dies once too often, or if the store cannot
    be used.
    """

    def __init__(self, notify: Notify) -> None:
        from lockstep.cpu.native.regions.service import Geometric

        self.thresholds: Thresholds = Geometric()
        self._notify = notify
        self._store = open_store(notify)
        self._helper = Helper(_SMITH, most_restarts=RESTARTS)
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
        except HelperDied as death:
            if death.last:
                self._notify(_given_up(death))
            return None if self._helper.over else b""
        finally:
            self._compile_ns += monotonic_ns() - began

    def forgo_store(self) -> None:
        """Neither read nor write the store. Before the workshop opens."""
        assert self._workshop is None, "the store is in use"
        self._store.close()
        self._store = open_store(self._notify, use=False)

    def stats(self) -> dict[str, int]:
        """What was made where, so far."""
        made = {} if self._workshop is None else self._workshop.stats()
        restarts = self._helper.restarts
        return made | {"compile_ns": self._compile_ns, "compiler_restarts": restarts}

    def close(self) -> None:
        """End the compiler, whatever it is doing."""
        self._helper.close()
        if self._workshop is not None:
            self._workshop.close()
        self._store.close()


def _given_up(death: HelperDied) -> str:
    """For people, in one line: of its last words the last ones."""
    *_, cause = death.message.splitlines()
    return (
        f"the compiler of hot code died {RESTARTS + 1} times and is given up; the guest goes on "
        f"more slowly, with the same results (--stats tells more). At last: {cause.strip()}"
    )


class Code:
    """Where a run has its compiled code from: from the cache, or `afresh` from the compiler alone,
    with the cache neither read nor written. `cached`: some of it came out of the cache, and was
    run, which is known once the run is over."""

    def __init__(self, *, afresh: bool = False) -> None:
        self.afresh: Final = afresh
        self.cached = False
        self.ran = False

    @contextmanager
    def used(self, engine: str, regions: Supply | None, notify: Notify) -> Iterator[None]:
        """Have a machine with that engine made, and run, while the context lasts."""
        if engine == "reference":
            yield
            return
        from lockstep.cpu.native import objects

        if self.afresh:
            if regions is not None:
                regions.forgo_store()
            objects.compile_anew(notify, None if regions is None else regions.aide)
        try:
            yield
        finally:
            products = 0 if regions is None else regions.stats().get("cache_products", 0)
            self.cached = self.ran and (objects.from_cache() or products > 0)


@contextmanager
def supply(engine: str, notify: Notify) -> Iterator[Supply | None]:
    """What an engine of this name needs."""
    if engine != "auto":
        yield None
        return
    made = Supply(notify)
    try:
        yield made
    finally:
        made.close()
