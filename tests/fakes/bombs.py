"""Images that are small, and unpack to more than anybody has; made by hand, byte by byte."""

from __future__ import annotations

import gzip
import struct

BLOCK = 128 << 10
"""What a block of zstd unpacks to at most."""


def zboot(payload: bytes, method: bytes) -> bytes:
    """A Linux EFI zboot file around `payload`."""
    return struct.pack("<4s4sII8x32s", b"MZ\0\0", b"zimg", 56, len(payload), method) + payload


def zstd_zeros(size: int, declared: int | None = None) -> bytes:
    """A frame of RLE blocks (RFC 8878, 3.1.1.2) that holds `size` zeros and may declare another."""
    blocks = []
    for at in range(0, size, BLOCK):
        length = min(BLOCK, size - at)
        last = at + length >= size
        blocks.append((last | 1 << 1 | length << 3).to_bytes(3, "little") + b"\0")
    # With a size: a single segment, whose window is all of it. Without: a window of 8 MiB.
    header = b"\x00\x68" if declared is None else b"\xe0" + struct.pack("<Q", declared)
    return b"\x28\xb5\x2f\xfd" + header + b"".join(blocks)


def nested(depth: int, inside: bytes = b"\x13\0\0\0") -> bytes:
    """gzip in gzip."""
    for _ in range(depth):
        inside = gzip.compress(inside, 0, mtime=0)
    return inside
