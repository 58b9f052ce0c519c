"""The digest of RAM: only pages that changed since the last time are read again.

It is the XOR of one hash for each page, seeded with the page's number, so that a page's part can be
taken out and put back. A page of zeros counts as 0: RAM never touched costs nothing. The lower
halves of the hashes are the leaves of RAM's error-finding code, kept up in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import xxhash

from lockstep.det.leaves import Difference
from lockstep.det.syndrome import corrected, errors, pack, spread_all
from lockstep.machine.board import PAGE

_ZEROS = bytes(PAGE)
_LEAF = (1 << 64) - 1
_PAGE_WORDS = PAGE // 8


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
        self._words = ram.view.cast("Q")
        self._total = 0
        self._lanes = 0
        self.pages: dict[int, int] = {}
        """The hash of every page that is not all zeros, as of the last `update`."""

    def update(self) -> bytes:
        """16 bytes that stand for the contents of RAM now."""
        view, words, pages, total = self._ram.view, self._words, self.pages, self._total
        hashed, zeros, leaf = xxhash.xxh3_128_intdigest, _ZEROS, _LEAF  # 30,000 times a boot
        changes = []
        for number in self._ram.dirty_pages():
            content = view[number * PAGE : (number + 1) * PAGE]
            # The first test for zeros needs no copy, and most often settles it.
            if words[number * _PAGE_WORDS] or content.tobytes() != zeros:
                part = hashed(content, number)
            else:
                part = 0
            before = pages.get(number, 0)
            if part == before:
                continue
            total ^= before ^ part
            changes.append((number + 1, (part & leaf) - (before & leaf)))
            if part:
                pages[number] = part
            else:
                del pages[number]
        self._ram.clear_dirty()
        self._total = total
        self._lanes += spread_all(changes)
        return total.to_bytes(16, "big")

    def syndrome(self) -> bytes:
        """The error-finding code of its pages."""
        self.update()
        return pack(self._lanes)

    def differences(self, expected: bytes) -> list[Difference]:
        """The pages that differ from those with this syndrome; empty if it cannot be said."""
        places = range(1, self._ram.size // PAGE + 1)
        wrong = errors(expected, self.syndrome(), places).items()
        return [self._difference(place - 1, excess) for place, excess in wrong]

    def _difference(self, number: int, excess: int) -> Difference:
        """What differs in a page whose leaf is too high by `excess`.

        A single wrong byte is found by trying which other byte gives the right leaf.
        """
        leaf = corrected(self.pages.get(number, 0) & _LEAF, excess)
        page = f"page {self._ram.base + number * PAGE:#x}"
        content = bytearray(self._ram.view[number * PAGE : (number + 1) * PAGE])
        for at, flipped in _other_bytes():
            content[at] ^= flipped
            if _hash(number, content) & _LEAF == leaf:
                right, came = f"{content[at]:02x}", f"{content[at] ^ flipped:02x}"
                return Difference("ram", f"{page}, byte {at:#x}", right, came)
            content[at] ^= flipped
        return Difference("ram", page)

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


def _hash(number: int, content: bytes | bytearray) -> int:
    return 0 if content == _ZEROS else int(xxhash.xxh3_128_intdigest(content, number))


def _other_bytes() -> Iterator[tuple[int, int]]:
    """Where, and what to flip: single bits first."""
    for byte in sorted(range(1, 256), key=int.bit_count):
        for at in range(PAGE):
            yield at, byte
