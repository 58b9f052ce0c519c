"""The hash of every page of main memory, and what all of them come to: the digest of RAM.

A hash is XXH3 with 128 bits, seeded with the page's number, so that equal pages do not cancel each
other out; that of a page of zeros is 0, so that RAM never touched costs nothing. Layout and meaning
are in cpu/layout, for cpu/native/pagehash does the same natively.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import xxhash

from lockstep.cpu.hostmemory import anonymous
from lockstep.cpu.layout import FIRST_SUM, PAGE, PAGE_HASH, PAGE_SUMS, SUM_BYTES
from lockstep.det.syndrome import moments

LEAF: Final = (1 << 64) - 1
"""The part of a hash that goes into the sums."""
_ZEROS: Final = bytes(PAGE)


class PageHashes:
    """Those of a RAM of so many pages, which is all zeros at first."""

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.hashes = anonymous(pages * PAGE_HASH, reserve=False)
        self.sums = anonymous(PAGE_SUMS)

    def __getitem__(self, number: int) -> int:
        return int.from_bytes(self.hashes[number * PAGE_HASH : (number + 1) * PAGE_HASH], "little")

    def __setitem__(self, number: int, value: int) -> None:
        content = value.to_bytes(PAGE_HASH, "little")
        self.hashes[number * PAGE_HASH : (number + 1) * PAGE_HASH] = content

    @property
    def total(self) -> int:
        """The XOR of all."""
        return int.from_bytes(self.sums[:PAGE_HASH], "little")

    def moments(self) -> list[int]:
        """The sums of leaf * (number + 1)**k for k = 0 to 3: see det/syndrome."""
        places = range(FIRST_SUM, PAGE_SUMS, SUM_BYTES)
        return [int.from_bytes(self.sums[at : at + SUM_BYTES], "little") for at in places]

    def touched(self) -> dict[int, int]:
        """The hash of every page that is not all zeros, by its number."""
        halves = memoryview(self.hashes).cast("Q")
        pairs = enumerate(zip(halves[::2], halves[1::2], strict=True))
        return {n: low | high << 64 for n, (low, high) in pairs if low or high}

    def rehash(self, memory: memoryview, numbers: Iterable[int]) -> None:
        """Bring the hashes of these pages up to date with `memory`."""
        total, changes = self.total, []
        for number in numbers:
            old, new = self[number], page_hash(number, memory[number * PAGE : (number + 1) * PAGE])
            self[number] = new
            total ^= old ^ new
            changes.append((number + 1, (new & LEAF) - (old & LEAF)))
        self.sums[:PAGE_HASH] = total.to_bytes(PAGE_HASH, "little")
        sums = (a + b for a, b in zip(self.moments(), moments(changes), strict=True))
        self.sums[FIRST_SUM:] = b"".join(each.to_bytes(SUM_BYTES, "little") for each in sums)


def page_hash(number: int, content: bytes | bytearray | memoryview) -> int:
    """The hash of a page."""
    return 0 if content == _ZEROS else int(xxhash.xxh3_128_intdigest(content, number))
