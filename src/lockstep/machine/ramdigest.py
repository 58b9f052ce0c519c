"""The digest of RAM: only pages that changed since the last time are read again.

It is the XOR of one hash for each page, seeded with the page's number, so that a page's part can be
taken out and put back. A page of zeros counts as 0: RAM never touched costs nothing.
"""

from __future__ import annotations

from typing import Protocol

import xxhash

from lockstep.machine.board import PAGE

_ZEROS = bytes(PAGE)


class Memory(Protocol):
    """What machine needs of the cpu floor's RAM. Dirty pages are this module's to clear."""

    base: int
    size: int
    view: memoryview

    def write(self, addr: int, data: bytes) -> None: ...
    def dirty_pages(self) -> list[int]: ...
    def clear_dirty(self) -> None: ...


class RamDigest:
    """Follows one RAM from its first, all zero, moment."""

    def __init__(self, ram: Memory) -> None:
        self._ram = ram
        self._total = 0
        self.pages: dict[int, int] = {}
        """The hash of every page that is not all zeros, as of the last `update`."""

    def update(self) -> bytes:
        """16 bytes that stand for the contents of RAM now."""
        view, pages, total = self._ram.view, self.pages, self._total
        for number in self._ram.dirty_pages():
            content = bytes(view[number * PAGE : (number + 1) * PAGE])
            total ^= pages.pop(number, 0)
            if content != _ZEROS:
                pages[number] = part = xxhash.xxh3_128_intdigest(content, number)
                total ^= part
        self._ram.clear_dirty()
        self._total = total
        return total.to_bytes(16, "big")

    def contents(self) -> dict[int, bytes]:
        """Every page that is not all zeros."""
        self.update()
        view = self._ram.view
        return {n: bytes(view[n * PAGE : (n + 1) * PAGE]) for n in sorted(self.pages)}

    def restore(self, contents: dict[int, bytes]) -> None:
        """Make RAM hold `contents`, writing only pages that differ."""
        now = self.contents()
        for number in sorted(now.keys() | contents.keys()):
            content = contents.get(number, _ZEROS)
            if now.get(number, _ZEROS) != content:
                self._ram.write(self._ram.base + number * PAGE, content)
