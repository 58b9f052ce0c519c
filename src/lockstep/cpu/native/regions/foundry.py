"""Where regions are made: looked up, compiled by another process, and linked, off the guest's way.

Two threads, for a look-up must not wait until a compilation is done. Neither touches the machine:
what is finished waits until the vCPU thread fetches it.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from queue import SimpleQueue
from typing import Final, NamedTuple, Protocol

import msgspec

from lockstep.cpu.layout import HEAT_LINE, PAGE
from lockstep.cpu.native.messages import Order, Product, Side, decode_product
from lockstep.cpu.native.objects import Aide, Interpreter, request, version_key
from lockstep.cpu.native.regions.service import Hot, Part
from lockstep.threads import start

LEAST: Final = 8
"""Samples of a page before anything is compiled for it; for fewer it is looked up only."""
RESPITE: Final = 256
"""A page at which a smith died is ordered again when it is so many times as hot: it may be what
kills smiths, so all else comes first; or that was chance."""
MOST_BYTES: Final = 512 << 20
"""Object code that a workshop links, for what is linked stays. Then it makes no more."""


class Store(Protocol):
    """Products of former runs."""

    def get(self, key: bytes) -> list[bytes]: ...
    def put(self, key: bytes, part: bytes) -> None: ...


class Linkage:
    """Between what the interpreter knows of a page and what the compiler does."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        handlers = interpreter.handlers
        # What an entry leads to that was not executed, or cannot be part of a region.
        self._bare = {address for name, address in handlers.items() if name.startswith("op_")}

    def order(self, hot: Hot, covered: Iterable[int]) -> Order:
        """What to ask the compiler for."""
        sides = (
            Side(each.number, each.stamp, each.code, self._executed(each.handlers))
            for each in hot.sides
        )
        return Order(
            hot.code,
            self._executed(hot.handlers),
            _heat(hot),
            tuple(sorted(covered)),
            tuple(sides),
        )

    def _executed(self, handlers: bytes) -> tuple[int, ...]:
        """The offsets of the instructions of a decoded page that were executed."""
        words = memoryview(handlers).cast("Q").tolist()
        return tuple(2 * i for i, handler in enumerate(words) if handler not in self._bare)

    def link(self, product: Product) -> dict[str, int]:
        """The addresses of a product's regions by name. Not for two threads at once."""
        handlers = self._interpreter.handlers
        imports = {name: handlers[name] for name in product.imports}
        names = sorted(set(product.entries.values()))
        return self._interpreter.linker.link([product.object], names, imports)


class _Linked(NamedTuple):
    """A product in executable memory."""

    product: Product
    addresses: Mapping[str, int]


class AtOnce:
    """A foundry that compiles while the guest waits: the same order gives the same regions."""

    def __init__(
        self, interpreter: Interpreter, compile_regions: Callable[[Order], Product]
    ) -> None:
        self._linkage = Linkage(interpreter)
        self._compile = compile_regions
        self._made: dict[bytes, list[_Linked]] = {}  # by the code of their page
        self._done: list[Part] = []

    def order(self, hot: Hot) -> None:
        """Make the regions, or take those that were made for the same code."""
        made = self._made.setdefault(hot.code, [])
        covered = {at for linked in made for at in linked.product.covered}
        product = self._compile(self._linkage.order(hot, covered))
        if product.entries:
            made.append(_Linked(product, self._linkage.link(product)))
        self._done += [part_for(hot, *linked) for linked in made]

    def finished(self) -> Iterable[Part]:
        """What was made since the last call."""
        done, self._done = self._done, []
        return done


class Workshop:
    """A foundry with a store and a smith. `ready` is called, from a thread, when there is news.

    A product is found by the lines of code that it covers: the rest of a page may be data.
    """

    def __init__(
        self, interpreter: Interpreter, store: Store, smith: Aide, ready: Callable[[], None]
    ) -> None:
        self._linkage = Linkage(interpreter)
        self._store = store
        self._smith = smith
        self._ready = ready
        self._asked: SimpleQueue[Hot | None] = SimpleQueue()
        self._done: SimpleQueue[Part] = SimpleQueue()
        self._guard = threading.Condition()
        # Guarded by _guard, as is the store.
        self._names: dict[bytes, list[bytes]] = {}  # of products, by line
        self._linked: dict[bytes, _Linked] = {}  # by name
        self._waiting: dict[int, Hot] = {}  # by page
        self._counts = Counter(
            compiled_pages=0, compiled_bytes=0, cache_hits=0, cache_misses=0, cache_products=0
        )
        self._closed = False  # or there is no smith any more
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in (("librarian", self._look_up_all), ("smith", self._compile_all))
        ]
        for thread in self._threads:
            start(thread)

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
            with self._guard:
                self._look_up(hot)

    def _look_up(self, hot: Hot) -> None:
        for linked in self._known(hot):
            self._deliver(hot, linked)
        all_there = self._missing(hot) is None
        self._counts["cache_hits" if all_there else "cache_misses"] += 1
        if not all_there and hot.samples >= LEAST and not self._closed:
            self._waiting[hot.page] = hot
            self._guard.notify_all()

    def _missing(self, hot: Hot) -> Order | None:
        """What to ask the smith for; None: all that is hot is covered."""
        covered = {at for linked in self._known(hot) for at in linked.product.covered}
        warm = {line for line, samples in enumerate(_heat(hot)) if samples}
        return self._linkage.order(hot, covered) if warm - _lines(covered) else None

    def _known(self, hot: Hot) -> list[_Linked]:
        """What there is for the page's hot lines, and fits it."""
        names: dict[bytes, None] = {}  # in order
        for line, samples in enumerate(_heat(hot)):
            if samples:
                names |= dict.fromkeys(self._names_for(_line_key(hot.code, line)))
        found = (self._product(name) for name in names)
        return [each for each in found if each is not None and each.product.fits(hot.code)]

    def _names_for(self, line: bytes) -> list[bytes]:
        if line not in self._names:
            self._names[line] = self._store.get(line)
        return self._names[line]

    def _product(self, name: bytes) -> _Linked | None:
        if name not in self._linked:
            for made in self._store.get(name):
                if hashlib.sha256(made).digest() == name and self._link(name, made):
                    self._counts["cache_products"] += 1
        return self._linked.get(name)

    # The smith.
    def _compile_all(self) -> None:
        spared = dict[bytes, int]()  # samples until which a page is not to be made
        while (hot := self._hottest()) is not None:
            with self._guard:
                order = self._missing(hot)
            if order is None or hot.samples < spared.get(hot.code, 0):
                continue
            made = self._smith(request(order))
            with self._guard:
                if made is None or self._counts["compiled_bytes"] > MOST_BYTES:
                    self._closed = True
                    self._waiting.clear()
                elif made:
                    self._take(hot, made)
                else:
                    spared[hot.code] = hot.samples * RESPITE

    def _hottest(self) -> Hot | None:
        with self._guard:
            self._guard.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return None
            return self._waiting.pop(max(self._waiting, key=lambda n: self._waiting[n].samples))

    def _take(self, hot: Hot, made: bytes) -> None:
        """Use a product, and keep it."""
        name = hashlib.sha256(made).digest()
        linked = self._linked.get(name) or self._link(name, made)
        if linked is None:
            return
        self._counts["compiled_pages"] += 1
        self._deliver(hot, linked)
        self._store.put(name, made)
        for line in _lines(linked.product.covered):
            key = _line_key(hot.code, line)
            self._names.setdefault(key, []).append(name)
            self._store.put(key, name)

    # Both.
    def _link(self, name: bytes, made: bytes) -> _Linked | None:
        """Put a product into executable memory. None: there is nothing in it, or nothing of use."""
        try:
            product = decode_product(made)
            if not product.entries:
                return None
            addresses = self._linkage.link(product)
        except (msgspec.DecodeError, LookupError, RuntimeError):  # the last one is LLVM's
            return None
        self._counts["compiled_bytes"] += len(product.object)
        kept = msgspec.structs.replace(product, object=b"")
        self._linked[name] = linked = _Linked(kept, addresses)
        return linked

    def _deliver(self, hot: Hot, linked: _Linked) -> None:
        self._done.put(part_for(hot, linked.product, linked.addresses))
        self._ready()


def part_for(hot: Hot, product: Product, addresses: Mapping[str, int]) -> Part:
    """A product's regions for a page that it fits."""
    entries = {at: addresses[name] for at, name in product.entries.items()}
    return Part(hot.page, hot.code, product.covered, entries)


def _heat(hot: Hot) -> tuple[int, ...]:
    return tuple(memoryview(hot.heat).cast("H")[: PAGE // HEAT_LINE].tolist())


def _lines(covered: Iterable[int]) -> set[int]:
    return {at // HEAT_LINE for at in covered}


def _line_key(code: bytes, line: int) -> bytes:
    """The name of a line of code in the store."""
    content = code[line * HEAT_LINE : (line + 1) * HEAT_LINE]
    return hashlib.sha256(b"%s %d " % (version_key().encode(), line) + content).digest()
