"""The one door for images: ELF, Linux `Image`, gzip or EFI zboot around one of them, or raw bytes.

Whatever the bytes are, `parse_image` takes no more memory than `LIMIT` for what it unpacks, looks
into no more than `MOST_LAYERS` wrappings, and ends in an image or in UsageError: whose fault it is,
if the image came with a recording, is said by who called (`session/images`).
"""

from __future__ import annotations

from typing import Final

from lockstep.errors import UsageError
from lockstep.machine.images.elf import parse_elf
from lockstep.machine.images.kinds import LIMIT as LIMIT
from lockstep.machine.images.kinds import Fixed as Fixed
from lockstep.machine.images.kinds import Image as Image
from lockstep.machine.images.kinds import Movable as Movable
from lockstep.machine.images.kinds import Segment as Segment
from lockstep.machine.images.linux import parse_linux
from lockstep.machine.images.unpack import unpacked

MOST_LAYERS: Final = 4
"""A gzip file in an EFI kernel is two. More than a few are somebody's joke."""

_OTHER_KERNELS: Final = (
    (0x38, b"ARMd", "an arm64 kernel"),
    (0x38, b"\xcd\x23\x82\x81", "a LoongArch kernel"),
    (0x202, b"HdrS", "an x86 kernel"),
    (0x24, b"\x18\x28\x6f\x01", "a 32-bit ARM kernel"),
    (0x00, b"\x27\x05\x19\x56", "a U-Boot image"),
)


def parse_image(name: str, data: bytes, limit: int = LIMIT) -> Image:
    """Find out what `data` is. `name` is what the user knows it by: "kernel", "firmware".

    `limit`: bytes that may be unpacked: what is unpacked of a layer and what is in that, together.
    Raises UsageError.
    """
    held = 0
    for _ in range(MOST_LAYERS + 1):
        inner = unpacked(name, data, limit - held)
        if inner is None:
            return _parse_plain(name, data)
        data, held = inner, len(inner)
    raise UsageError(
        f"the {name} is packed more than {MOST_LAYERS} times over",
        remedy="give what is inside it",
    )


def _parse_plain(name: str, data: bytes) -> Image:
    if not data:
        raise UsageError(f"the {name} is empty", remedy="check the file's name and size")
    if data[:4] == b"\x7fELF":
        return parse_elf(name, data)
    if data[0x38:0x3C] == b"RSC\x05":
        return parse_linux(name, data)
    for offset, magic, what in _OTHER_KERNELS:
        if data[offset : offset + len(magic)] == magic:
            raise UsageError(f"the {name} is {what}", remedy="this machine runs riscv64 code")
    if data[:2] == b"MZ":
        raise UsageError(
            f"the {name} is an EFI program for another machine or without a kernel in it",
            remedy="give a riscv64 Linux Image, an ELF file or raw code",
        )
    return Movable(data, len(data))
