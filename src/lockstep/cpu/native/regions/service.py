"""Regions on the vCPU thread's side: orders them for hot pages, and puts them in place.

All of it happens between two slices, and nothing of it may show: a region does what the interpreter
does, so when it is put in place is of no consequence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from lockstep.cpu.layout import (
    CODE,
    DECODED_PAGE_BYTES,
    ENTRY_BYTES,
    FETCH_ENTRIES,
    FETCH_ENTRY_BYTES,
    HEAT_BYTES,
    HEAT_LINE,
    HEAT_TOTAL_AT,
    HEAT_WAIT_AT,
    PAGE,
    RESETS_OFFSET,
    STAMP_BYTES,
    STAMP_OFFSET,
)
from lockstep.cpu.memory import Ram
from lockstep.cpu.native.messages import same_code
from lockstep.cpu.native.tlb import WHOLE_RESETS
from lockstep.cpu.state import ClusterBlock, HartState

Install = Callable[[int, int, int], None]
"""See fetch.install_region: (physical address, host address, lines)."""

RESTLESS: Final = WHOLE_RESETS + 8
"""A page whose code was forgotten so often is left to the interpreter ..."""
CALM: Final = 4096
"""... until so many samples have found it unchanged."""


class Hot(NamedTuple):
    """A hot page as it was when it was noticed."""

    page: int
    """Its number in main memory."""
    code: bytes
    handlers: bytes
    """What each decoded entry led to: 64-bit host addresses."""
    heat: bytes
    """Samples of each line since the last order, 16 bits each."""
    samples: int
    """Of all of it, ever."""
    sides: tuple[Beside, ...] = ()


class Beside(NamedTuple):
    """A page that the guest sees beside a hot one: see messages.Side."""

    number: int
    stamp: bytes
    code: bytes
    handlers: bytes


class Part(NamedTuple):
    """Regions to put in place."""

    page: int
    code: bytes
    covered: tuple[int, ...]
    """Offsets of the instructions whose bytes matter."""
    entries: dict[int, int]
    """The host address of the region for what begins at an offset. None may be left out: where a
    region stops before an entry of its own it names the interpreter's handler, for which that must
    be decoded, and putting it in place is what decodes it."""

    @property
    def lines(self) -> int:
        """The lines of the page that they rest on, as a bit set."""
        touched = {(at + byte) // HEAT_LINE for at in self.covered for byte in (0, 3)}
        return sum(1 << line for line in touched if line < PAGE // HEAT_LINE)


class Foundry(Protocol):
    """Who makes regions, at leisure."""

    def order(self, hot: Hot) -> None:
        """Regions are wanted. Returns at once."""

    def finished(self) -> Iterable[Part]:
        """What was made since the last call."""


class Thresholds(Protocol):
    """When a page is hot. Whatever it says, the guest does not notice."""

    def first(self) -> int:
        """Samples of a page before regions are ordered for it."""

    def next(self, samples: int) -> int:
        """Before they are ordered again, if there are `samples` now."""


class Geometric:
    """Few orders for a page, the first of them soon."""

    def first(self) -> int:
        return 2

    def next(self, samples: int) -> int:
        return 4 * samples


class Regions:
    """The regions of a machine."""

    def __init__(
        self, block: ClusterBlock, ram: Ram, foundry: Foundry, install: Install, when: Thresholds
    ) -> None:
        self._block = block
        self._ram = ram
        self._foundry = foundry
        self._install = install
        self._when = when
        self._decoded = memoryview(ram.pool)
        self._pool = self._decoded.cast("Q")
        self._cluster = memoryview(block.memory).cast("Q")
        self._heat = memoryview(ram.heat)
        self._counts = Counter(orders=0, in_place=0, out_of_date=0)
        block.heat_least = when.first()

    def attend(self) -> None:
        """Order what is hot, and put in place what was made."""
        if self._block.hot_page:
            page, self._block.hot_page = self._block.hot_page - 1, 0
            self._order(page)
        for part in self._foundry.finished():
            self._put_in_place(part)

    def stats(self) -> dict[str, int]:
        """Orders, and parts that were put in place or came too late; one may come several times."""
        return {f"regions_{name}": count for name, count in self._counts.items()}

    def _order(self, page: int) -> None:
        record = self._heat[page * HEAT_BYTES : (page + 1) * HEAT_BYTES]
        samples, wait = record[HEAT_TOTAL_AT:].cast("Q"), (HEAT_WAIT_AT - HEAT_TOTAL_AT) // 8
        if self._is_restless(page, samples[0]):
            samples[wait] = CALM
            return
        samples[wait] = self._when.next(samples[0])
        if not self._ram.flags[page] & CODE:
            return  # a store has just made all of it forgotten
        self._counts["orders"] += 1
        lines = record[:HEAT_TOTAL_AT]
        self._stamp(page)  # for regions of the pages beside it, which look for it
        hot = Hot(
            page,
            self._code(page),
            self._handlers(page),
            bytes(lines),
            samples[0],
            self._sides(page),
        )
        self._foundry.order(hot)
        lines[:] = bytes(HEAT_TOTAL_AT)

    def _sides(self, page: int) -> tuple[Beside, ...]:
        """The pages beside it, where the hart that runs has it."""
        hart = self._block.members[self._block.current]
        here = hart.pc & -PAGE
        if self._fetched(hart, here) != page:
            return ()
        found = ((n, self._fetched(hart, (here + n * PAGE) % (1 << 64))) for n in (-1, 1))
        return tuple(
            Beside(number, self._stamp(side), self._code(side), self._handlers(side))
            for number, side in found
            if side is not None and self._ram.flags[side] & CODE
        )

    def _fetched(self, hart: HartState, address: int) -> int | None:
        """The number of the page that instructions at `address` come from, if that is cached."""
        slot = hart.fetch_table + (address // PAGE % FETCH_ENTRIES) * FETCH_ENTRY_BYTES
        tag, decoded = self._cluster[(slot - self._block.address) // 8 :][:2]
        return (decoded - self._block.pool_host) // DECODED_PAGE_BYTES if tag == address else None

    def _stamp(self, page: int) -> bytes:
        """What the decoded page says while its code is what it is now; a store takes it away.

        Nobody finds two pages of the same stamp, not even a guest that looks for them: it is as
        much of SHA-256 as takes 2^60 tries.
        """
        at = page * DECODED_PAGE_BYTES + STAMP_OFFSET
        stamp = self._decoded[at : at + STAMP_BYTES]
        if not stamp[0]:
            stamp[:] = b"\1" + sha256(self._code(page)).digest()[1:STAMP_BYTES]
        return bytes(stamp)

    def _is_restless(self, page: int, samples: int) -> bool:
        """Whether the page's code changes so often that regions are not worth it."""
        resets = (page * DECODED_PAGE_BYTES + RESETS_OFFSET) // 8
        if self._pool[resets] < RESTLESS:
            return False
        if samples < CALM:
            return True
        self._pool[resets] = WHOLE_RESETS
        return False

    def _code(self, page: int) -> bytes:
        return bytes(self._ram.view[page * PAGE : (page + 1) * PAGE])

    def _handlers(self, page: int) -> bytes:
        first = page * DECODED_PAGE_BYTES // 8
        step = ENTRY_BYTES // 8
        return bytes(self._pool[first : first + PAGE // 2 * step : step])

    def _put_in_place(self, part: Part) -> None:
        code = self._code(part.page)
        same = same_code(part.code, code, part.covered)
        # Without decoded code on the page nobody would notice a store to it.
        if not (same and self._ram.flags[part.page] & CODE):
            self._counts["out_of_date"] += 1
            return
        self._counts["in_place"] += 1
        base = self._ram.base + part.page * PAGE
        lines = part.lines
        for at, address in part.entries.items():
            self._install(base + at, address, lines)
