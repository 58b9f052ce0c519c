"""What an image comes to: bytes for places in memory."""

from __future__ import annotations

from typing import Final, NamedTuple

LIMIT: Final = 1 << 30
"""Bytes. No kernel is larger than this, packed or unpacked; a decompression bomb is. All that is
unpacked at a time is no more."""

AGAIN: Final = "copy the file again from where it came"


class Segment(NamedTuple):
    """Bytes for a place in memory, which takes `extent` bytes there: the rest is zeros."""

    address: int
    data: bytes | memoryview
    extent: int


class Fixed(NamedTuple):
    """An image that says itself where it goes (ELF). `entry` is a physical address."""

    segments: tuple[Segment, ...]
    entry: int


class Movable(NamedTuple):
    """An image that runs where it is put (raw, Linux `Image`); it needs `extent` bytes there."""

    data: bytes
    extent: int


Image = Fixed | Movable
