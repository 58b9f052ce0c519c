"""Images made by hand: ELF files and Linux `Image` headers with exactly the fields a test wants."""

from __future__ import annotations

import struct

RISCV, X86_64 = 243, 62


def elf(
    *segments: tuple[int, bytes, int],
    entry: int = 0x8000_0000,
    machine: int = RISCV,
    virtual_offset: int = 0,
) -> bytes:
    """A 64-bit little-endian ELF program of (physical address, contents, size in memory)."""
    offset = 64 + 56 * len(segments)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, entry, 64, 0, 0, 64, 56, len(segments), 64, 0, 0
    )
    headers, contents = b"", b""
    for address, content, extent in segments:
        at = offset + len(contents)
        virtual = address + virtual_offset
        headers += struct.pack("<IIQQQQQQ", 1, 7, at, virtual, address, len(content), extent, 1)
        contents += content
    return header + headers + contents


def linux(body: bytes = b"code" * 64, image_size: int = 0x1000, pe_offset: int = 0) -> bytes:
    """A riscv64 Linux `Image`."""
    magics = (0x5643534952, b"RSC\x05")
    header = struct.pack(
        "<IIQQQIIQQ4sI", 0x5A4D, 0, 0x20_0000, image_size, 0, 2, 0, 0, *magics, pe_offset
    )
    return header + body


def linux_for_efi(text: bytes = b"code" * 64, data: bytes = b"data" * 32) -> bytes:
    """A riscv64 Linux `Image` that is a PE file, too, of two sections."""
    at, optional = 0x40, 160
    start = at + 24 + optional + 2 * 40
    pe = b"PE\0\0" + struct.pack("<HHIIIHH", 0x5064, 2, 0, 0, 0, optional, 0) + bytes(optional)
    for name, offset, content in ((b".text", start, text), (b".data", start + len(text), data)):
        pe += struct.pack("<8sIIII16x", name, len(content), offset, len(content), offset)
    return linux(pe + text + data, pe_offset=at)
