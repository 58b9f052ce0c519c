"""The digest of RAM: only pages that changed since the last time are read again.

It is the XOR of one hash for each page, so that a page's part can be taken out and put back. The
lower halves of the hashes are the leaves of RAM's error-finding code, kept up in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from lockstep.cpu.pagehash import LEAF, PageHashes, page_hash
from lockstep.det.leaves import Difference
from lockstep.det.syndrome import corrected, errors, pack
from lockstep.machine.board import PAGE

_ZEROS = bytes(PAGE)


class Memory(Protocol):
    """What machine needs of the cpu floor's RAM. Dirty pages are this module's to clear."""

    base: int
    size: int
    view: memoryview

    def read(self, addr: int, size: int) -> bytes: ...
    def write(self, addr: int, data: bytes | memoryview) -> None: ...
    def rehash(self, hashes: PageHashes) -> None: ...
    def clear_dirty(self) -> None: ...


class RamDigest:
    """Follows one RAM from its first, all zero, moment."""

    def __init__(self, ram: Memory) -> None:
        self._ram = ram
        self._hashes = PageHashes(ram.size // PAGE)

    def update(self) -> bytes:
        """16 bytes that stand for the contents of RAM now."""
        self._ram.rehash(self._hashes)
        self._ram.clear_dirty()
        return self._hashes.total.to_bytes(16, "big")

    def pages(self) -> dict[int, int]:
        """The hash of every page that is not all zeros, by its number."""
        self.update()
        return self._hashes.touched()

    def syndrome(self) -> bytes:
        """The error-finding code of its pages."""
        self.update()
        return pack(self._hashes.moments())

    def differences(self, expected: bytes) -> list[Difference]:
        """The pages that differ from those with this syndrome; empty if it cannot be said."""
        places = range(1, self._ram.size // PAGE + 1)
        wrong = errors(expected, self.syndrome(), places).items()
        return [self._difference(place - 1, excess) for place, excess in wrong]

    def _difference(self, number: int, excess: int) -> Difference:
        """What differs in a page whose leaf is too high by `excess`.

        A single wrong byte is found by trying which other byte gives the right leaf.
        """
        leaf = corrected(self._hashes[number] & LEAF, excess)
        page = f"page {self._ram.base + number * PAGE:#x}"
        content = bytearray(self._ram.view[number * PAGE : (number + 1) * PAGE])
        for at, flipped in _other_bytes():
            content[at] ^= flipped
            if page_hash(number, content) & LEAF == leaf:
                right, came = f"{content[at]:02x}", f"{content[at] ^ flipped:02x}"
                return Difference("ram", f"{page}, byte {at:#x}", right, came)
            content[at] ^= flipped
        return Difference("ram", page)

    def contents(self) -> dict[int, bytes]:
        """Every page that is not all zeros."""
        view = self._ram.view
        return {n: bytes(view[n * PAGE : (n + 1) * PAGE]) for n in self.pages()}

    def restore(self, contents: dict[int, bytes]) -> None:
        """Make RAM hold `contents`, writing only pages that differ."""
        now = self.contents()
        for number in sorted(now.keys() | contents.keys()):
            content = contents.get(number, _ZEROS)
            if now.get(number, _ZEROS) != content:
                self._ram.write(self._ram.base + number * PAGE, content)


def _other_bytes() -> Iterator[tuple[int, int]]:
    """Where, and what to flip: single bits first."""
    for byte in sorted(range(1, 256), key=int.bit_count):
        for at in range(PAGE):
            yield at, byte
