"""Main memory: its bytes, what is known of each page, and room for what engines make of them.

All of it is anonymous memory of the host, at addresses that native code knows too. Untouched pages
cost the host nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress
from typing import Final, Protocol

from lockstep.cpu.hostmemory import anonymous
from lockstep.cpu.layout import (
    DECODED_PAGE_BYTES,
    DIRTY,
    HEAT_BYTES,
    PAGE,
    WRITABLE,
)
from lockstep.cpu.pagehash import PageHashes
from lockstep.errors import InternalError

_IS_DIRTY: Final = bytes(1 if flags & DIRTY else 0 for flags in range(256))
_FEW: Final = 50  # pages for each dirty one, so that a search is faster than a pass
_CLEAN: Final = bytes(flags & ~(DIRTY | WRITABLE) for flags in range(256))


class Follower(Protocol):
    """Who caches what is derived from main memory: an engine."""

    def before_write(self, paddr: int, size: int) -> None:
        """These bytes are about to be written by the host."""

    def flush(self) -> None:
        """Forget every translation, so that the next store to a page is noticed."""

    def rehash(self, ram: Ram, hashes: PageHashes) -> None:
        """Bring the hashes of the dirty pages of `ram` up to date."""


class Ram:
    """Main memory of the guest at physical `base`. Dirty pages are those written to, by anybody."""

    def __init__(self, base: int, size: int) -> None:
        assert size % PAGE == 0, f"RAM of {size} bytes is not whole pages"
        self.base = base
        self.size = size
        self.memory = anonymous(size)
        self.view = memoryview(self.memory)
        pages = size // PAGE
        self.flags = anonymous(pages)
        self.pool = anonymous(pages * DECODED_PAGE_BYTES, reserve=False)
        self.heat = anonymous(pages * HEAT_BYTES, reserve=False)
        self.table_list = anonymous(8 * (size // PAGE))
        self._follower: Follower | None = None

    def follow(self, follower: Follower) -> None:
        """From now on `follower` hears of what the host does here."""
        self._follower = follower

    def read(self, addr: int, size: int) -> bytes:
        """`size` bytes at physical `addr`."""
        start = self._offset(addr, size)
        return bytes(self.view[start : start + size])

    def write(self, addr: int, data: bytes | memoryview) -> None:
        """A write by the host, between two instructions."""
        start, size = self._offset(addr, len(data)), len(data)
        if not size:
            return
        if self._follower is not None:
            self._follower.before_write(addr, size)
        for page in range(start // PAGE, (start + size - 1) // PAGE + 1):
            self.flags[page] |= DIRTY
        self.view[start : start + size] = data

    def _offset(self, addr: int, size: int) -> int:
        start = addr - self.base
        if start < 0 or start + size > self.size:
            raise InternalError(f"{size} bytes at {addr:#x} are not all main memory")
        return start

    def dirty_pages(self) -> list[int]:
        """The numbers (from 0 at `base`) of the pages written to since `clear_dirty`."""
        marks = bytes(self.flags).translate(_IS_DIRTY)
        if marks.count(1) * _FEW > len(marks):
            return list(compress(range(len(marks)), marks))
        return list(self._marked(marks))

    @staticmethod
    def _marked(marks: bytes) -> Iterator[int]:
        """For few marks: looks at nothing in between."""
        at = marks.find(1)
        while at >= 0:
            yield at
            at = marks.find(1, at + 1)

    def rehash(self, hashes: PageHashes) -> None:
        """Bring the hashes of dirty pages up to date."""
        if self._follower is not None:
            self._follower.rehash(self, hashes)
        else:
            hashes.rehash(self.view, self.dirty_pages())

    def clear_dirty(self) -> None:
        """Call every page clean."""
        if self._follower is not None:
            self._follower.flush()
        self.flags[:] = bytes(self.flags).translate(_CLEAN)
