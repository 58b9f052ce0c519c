"""A Linux `Image`: Linux's Documentation/arch/riscv/boot-image-header.rst."""

from __future__ import annotations

import struct

from lockstep.errors import UsageError
from lockstep.machine.images.kinds import AGAIN, Movable


def parse_linux(name: str, data: bytes) -> Movable:
    """`data` has its magic number, so it is at least as long as that reaches."""
    image_size, flags = struct.unpack_from("<QQ", data, 16)
    if flags & 1:
        raise UsageError(
            f"the {name} is a big-endian kernel", remedy="this machine is little-endian"
        )
    try:
        expected = _end_of_sections(data)
    except struct.error:
        expected = len(data) + 1
    if len(data) < expected:
        raise UsageError(f"the {name} is a Linux Image that is cut short", remedy=AGAIN)
    return Movable(data, max(image_size, len(data)))


def _end_of_sections(data: bytes) -> int:
    """How long the file is that an `Image` for EFI describes; 0 for one that is not for EFI.

    Microsoft's PE format, "COFF File Header" and "Section Table".
    """
    (at,) = struct.unpack_from("<I", data, 0x3C)
    if not at or not b"PE\0\0".startswith(data[at : at + 4]):
        return 0
    sections, optional = struct.unpack_from("<2xH12xH", data, at + 4)
    table = at + 24 + optional
    places = (struct.unpack_from("<II", data, table + 40 * n + 16) for n in range(sections))
    return max((size + offset for size, offset in places), default=0)
