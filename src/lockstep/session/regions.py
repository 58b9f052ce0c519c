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
    be used. With `afresh` there is no store, and the interpreter is none from the cache either.
    """

    def __init__(self, notify: Notify, *, afresh: bool = False) -> None:
        from lockstep.cpu.native.regions.service import Geometric

        self.thresholds: Thresholds = Geometric()
        self._notify = notify
        self._store = open_store(notify, use=not afresh)
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

    @property
    def used_store(self) -> bool:
        """Whether anything was executed that another run compiled."""
        return self._workshop is not None and self._workshop.used_store

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
    with the cache neither read nor written. `cached`: some of it came out of the cache, which is
    known once the run is over."""

    def __init__(self, *, afresh: bool = False) -> None:
        self.afresh: Final = afresh
        self.cached = False


@contextmanager
def supply(engine: str, notify: Notify, code: Code | None = None) -> Iterator[Supply | None]:
    """What an engine of this name needs, with its code as `code` says."""
    code = code or Code()
    if engine == "reference":
        yield None
        return
    made = Supply(notify, afresh=code.afresh) if engine == "auto" else None
    try:
        if code.afresh:
            _compile_anew(notify, made)
        yield made
    finally:
        code.cached = _interpreter_cached() or (made is not None and made.used_store)
        if made is not None:
            made.close()


def _compile_anew(notify: Notify, made: Supply | None) -> None:
    from lockstep.cpu.native.objects import compile_anew

    compile_anew(notify, None if made is None else made.aide)


def _interpreter_cached() -> bool:
    from lockstep.cpu.native.objects import from_cache

    return from_cache()
