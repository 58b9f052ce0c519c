"""What an image is: ELF, Linux `Image`, gzip or EFI zboot around one of them, or raw bytes."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

import zstandard

from lockstep.errors import UsageError

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

UNPACKED_LIMIT: Final = 1 << 30
"""No kernel is larger than this; a decompression bomb is."""
ZBOOT_HEADER: Final = 56

_AGAIN: Final = "copy the file again from where it came"

_OTHER_KERNELS: Final = (
    (0x38, b"ARMd", "an arm64 kernel"),
    (0x38, b"\xcd\x23\x82\x81", "a LoongArch kernel"),
    (0x202, b"HdrS", "an x86 kernel"),
    (0x24, b"\x18\x28\x6f\x01", "a 32-bit ARM kernel"),
    (0x00, b"\x27\x05\x19\x56", "a U-Boot image"),
)


class Segment(NamedTuple):
    """Bytes for a place in memory, which takes `extent` bytes there: the rest is zeros."""

    address: int
    data: bytes
    extent: int


class Fixed(NamedTuple):
    """An image that says itself where it goes (ELF)."""

    segments: tuple[Segment, ...]
    entry: int


class Movable(NamedTuple):
    """An image that runs where it is put (raw, Linux `Image`); it needs `extent` bytes there."""

    data: bytes
    extent: int


Image = Fixed | Movable


def parse_image(name: str, data: bytes) -> Image:
    """Find out what `data` is. `name` is what the user knows it by: "kernel", "firmware"."""
    if not data:
        raise UsageError(f"the {name} is empty", remedy="check the file's name and size")
    if data[:2] == b"\x1f\x8b":
        return parse_image(name, _gunzipped(name, data))
    if data[:2] == b"MZ" and data[4:8] == b"zimg":
        return parse_image(name, _unpacked_zboot(name, data))
    if data[:4] == b"\x7fELF":
        return _parse_elf(name, data)
    if data[0x38:0x3C] == b"RSC\x05":
        return _parse_linux(name, data)
    for offset, magic, what in _OTHER_KERNELS:
        if data[offset : offset + len(magic)] == magic:
            raise UsageError(f"the {name} is {what}", remedy="this machine runs riscv64 code")
    if data[:2] == b"MZ":
        raise UsageError(
            f"the {name} is an EFI program for another machine or without a kernel in it",
            remedy="give a riscv64 Linux Image, an ELF file or raw code",
        )
    return Movable(data, len(data))


def _parse_linux(name: str, data: bytes) -> Movable:
    """Linux's Documentation/arch/riscv/boot-image-header.rst."""
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
        raise UsageError(f"the {name} is a Linux Image that is cut short", remedy=_AGAIN)
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


def _parse_elf(name: str, data: bytes) -> Fixed:
    # A twentieth of a second to import, and a kernel Image does not need it.
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(io.BytesIO(data))
        _check_machine(name, elf)
        headers = [s.header for s in elf.iter_segments() if s["p_type"] == "PT_LOAD"]
        entry = elf["e_entry"]
    except (ELFError, ValueError, struct.error) as error:
        raise UsageError(f"the {name} is a damaged ELF file: {error}", remedy=_AGAIN) from error
    headers = [header for header in headers if header["p_memsz"]]
    if not headers:
        raise UsageError(
            f"the {name} is an ELF file with nothing to load in it",
            remedy="give the linked program, not an object file",
        )
    segments = tuple(_segment(name, data, header) for header in headers)
    for header in headers:
        # The entry point is a virtual address; at reset there are only physical ones.
        if header["p_vaddr"] <= elf["e_entry"] < header["p_vaddr"] + header["p_memsz"]:
            entry = elf["e_entry"] - header["p_vaddr"] + header["p_paddr"]
    return Fixed(segments, entry)


def _check_machine(name: str, elf: ELFFile) -> None:
    if elf["e_machine"] != "EM_RISCV" or elf.elfclass != 64 or not elf.little_endian:
        raise UsageError(
            f"the {name} is an ELF file for {elf.get_machine_arch()}, {elf.elfclass} bits",
            remedy="this machine runs little-endian riscv64 code",
        )


def _segment(name: str, data: bytes, header: Mapping[str, int]) -> Segment:
    start, size = header["p_offset"], header["p_filesz"]
    content = data[start : start + size]
    if len(content) != size or size > header["p_memsz"]:
        raise UsageError(f"the {name} is a damaged ELF file: a segment is cut short", remedy=_AGAIN)
    return Segment(header["p_paddr"], content, header["p_memsz"])


def _gunzipped(name: str, data: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        unpacked = inflater.decompress(data, UNPACKED_LIMIT)
    except zlib.error as error:
        raise UsageError(f"the {name} is a damaged gzip file: {error}", remedy=_AGAIN) from error
    if not inflater.eof:
        raise UsageError(f"the {name} is a gzip file that is cut short or enormous", remedy=_AGAIN)
    return unpacked


def _unpacked_zboot(name: str, data: bytes) -> bytes:
    """Linux's drivers/firmware/efi/libstub/zboot-header.S."""
    if len(data) < ZBOOT_HEADER:
        raise UsageError(
            f"the {name} is a damaged EFI kernel: it ends in its header", remedy=_AGAIN
        )
    offset, size = struct.unpack_from("<II", data, 8)
    method = data[24:ZBOOT_HEADER].split(b"\0")[0]
    payload = data[offset : offset + size]
    if method == b"gzip":
        return _gunzipped(name, payload)
    if method in (b"zstd", b"zstd22"):
        try:
            return zstandard.ZstdDecompressor().decompress(payload, UNPACKED_LIMIT)
        except zstandard.ZstdError as error:
            raise UsageError(
                f"the {name} is a damaged EFI kernel: {error}", remedy=_AGAIN
            ) from error
    raise UsageError(
        f"the {name} is an EFI kernel packed with {method.decode('ascii', 'replace')}",
        remedy="build it with gzip or zstd, or give the unpacked Image",
    )
