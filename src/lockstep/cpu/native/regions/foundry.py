"""Where regions are made: looked up, compiled by another process, and linked, off the guest's way.

Two threads, for a look-up must not wait until a compilation is done. Neither touches the machine:
what is finished waits until the vCPU thread fetches it.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Final, Protocol

import msgspec

from lockstep.cpu.layout import HEAT_LINE, PAGE
from lockstep.cpu.native.objects import Interpreter, version_key
from lockstep.cpu.native.regions.messages import Order, Product, decode_product, encode
from lockstep.cpu.native.regions.service import Hot, Part

LEAST: Final = 8
"""Samples of a page before anything is compiled for it; for fewer it is looked up only."""
MOST_BYTES: Final = 512 << 20
"""Object code that a process links: what is linked stays."""


class Store(Protocol):
    """Products of former runs."""

    def get(self, key: bytes) -> list[bytes]: ...
    def put(self, key: bytes, part: bytes) -> None: ...


Smith = Callable[[bytes], bytes | None]
"""Answers an Order with a Product, both encoded. None: it cannot, and never will again."""


class Linkage:
    """Between what the interpreter knows of a page and what the compiler does."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        handlers = interpreter.handlers
        # What an entry leads to that was not executed, or cannot be part of a region.
        self._bare = {address for name, address in handlers.items() if name.startswith("op_")}

    def order(self, hot: Hot, covered: Iterable[int]) -> Order:
        """What to ask the compiler for."""
        handlers = memoryview(hot.handlers).cast("Q").tolist()
        executed = (2 * i for i, handler in enumerate(handlers) if handler not in self._bare)
        return Order(hot.code, tuple(executed), _heat(hot), tuple(sorted(covered)))

    def part(self, hot: Hot, product: Product) -> Part:
        """Link what it made. Not for two threads at once."""
        handlers = self._interpreter.handlers
        imports = {name: handlers[name] for name in product.imports}
        names = sorted(set(product.entries.values()))
        addresses = self._interpreter.linker.link(product.object, names, imports)
        entries = {at: addresses[name] for at, name in product.entries.items()}
        return Part(hot.page, hot.code, product.covered, entries)


class AtOnce:
    """A foundry that compiles while the guest waits: the same order gives the same regions."""

    def __init__(
        self, interpreter: Interpreter, compile_regions: Callable[[Order], Product]
    ) -> None:
        self._linkage = Linkage(interpreter)
        self._compile = compile_regions
        self._covered: dict[bytes, set[int]] = {}
        self._done: list[Part] = []

    def order(self, hot: Hot) -> None:
        """Make the regions."""
        covered = self._covered.setdefault(hot.code, set())
        product = self._compile(self._linkage.order(hot, covered))
        if product.entries:
            covered |= set(product.covered)
            self._done.append(self._linkage.part(hot, product))

    def finished(self) -> Iterable[Part]:
        """What was made since the last call."""
        done, self._done = self._done, []
        return done


class Workshop:
    """A foundry with a store and a smith. `ready` is called, from a thread, when there is news."""

    def __init__(
        self, interpreter: Interpreter, store: Store, smith: Smith, ready: Callable[[], None]
    ) -> None:
        self._linkage = Linkage(interpreter)
        self._store = store
        self._smith = smith
        self._ready = ready
        self._asked: SimpleQueue[Hot | None] = SimpleQueue()
        self._done: SimpleQueue[Part] = SimpleQueue()
        self._guard = threading.Condition()
        self._covered: dict[bytes, set[int]] = {}  # by key
        self._waiting: dict[bytes, Hot] = {}
        self._counts = Counter(compiled_pages=0, compiled_bytes=0, cache_hits=0, cache_misses=0)
        self._closed = False
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in (("librarian", self._look_up_all), ("smith", self._compile_all))
        ]
        for thread in self._threads:
            thread.start()

    # The vCPU thread's side.
    def order(self, hot: Hot) -> None:
        """Regions are wanted. Returns at once."""
        self._asked.put(hot)

    def finished(self) -> Iterable[Part]:
        """What was made since the last call."""
        while not self._done.empty():
            yield self._done.get()

    def stats(self) -> dict[str, int]:
        """How many pages came from where; `compiled_bytes` is all the code that was linked."""
        return dict(self._counts)

    def close(self) -> None:
        """End both threads. The smith must be gone, or will answer soon."""
        with self._guard:
            self._closed = True
            self._guard.notify_all()
        self._asked.put(None)
        for thread in self._threads:
            thread.join()

    # The librarian.
    def _look_up_all(self) -> None:
        while (hot := self._asked.get()) is not None:
            key = _key(hot.code)
            with self._guard:
                new = key not in self._covered
                if new:
                    self._covered[key] = set()
            if new:
                parts = self._store.get(key)
                self._counts["cache_hits" if parts else "cache_misses"] += 1
                for part in parts:
                    self._deliver(hot, key, part)
            with self._guard:
                if sum(_heat(hot)) >= LEAST:
                    self._waiting[key] = hot
                    self._guard.notify_all()

    # The smith.
    def _compile_all(self) -> None:
        while (next_one := self._hottest()) is not None:
            key, hot = next_one
            with self._guard:
                covered = frozenset(self._covered[key])
            made = self._smith(encode(self._linkage.order(hot, covered)))
            if made is None:
                return
            if self._deliver(hot, key, made):
                self._counts["compiled_pages"] += 1
                with self._guard:
                    self._store.put(key, made)

    def _hottest(self) -> tuple[bytes, Hot] | None:
        with self._guard:
            self._guard.wait_for(lambda: self._waiting or self._closed)
            if self._closed or self._counts["compiled_bytes"] > MOST_BYTES:
                return None
            key = max(self._waiting, key=lambda key: sum(_heat(self._waiting[key])))
            return key, self._waiting.pop(key)

    # Both.
    def _deliver(self, hot: Hot, key: bytes, made: bytes) -> bool:
        """Link a product for a page and have it put in place. False: there is nothing in it."""
        try:
            product = decode_product(made)
        except msgspec.DecodeError:
            return False
        if not product.entries:
            return False
        with self._guard:
            part = self._linkage.part(hot, product)
            self._covered[key] |= set(product.covered)
            self._counts["compiled_bytes"] += len(product.object)
        self._done.put(part)
        self._ready()
        return True


def _heat(hot: Hot) -> tuple[int, ...]:
    return tuple(memoryview(hot.heat).cast("H")[: PAGE // HEAT_LINE].tolist())


def _key(code: bytes) -> bytes:
    return hashlib.sha256(version_key().encode() + code).digest()
