"""Sound files of every format, and where in them the numbers are that a reader goes by."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import zstandard

from lockstep.machine.board import BoardConfig
from lockstep.machine.dtb import make_dtb

BASE: Final = 0x8000_0000
_CODE: Final = bytes.fromhex("6f000000") * 16  # j .
_SYMBOLS: Final = 3


@dataclass(frozen=True)
class Field:
    """A number in a file: where it is, its size in bytes, and its byte order."""

    offset: int
    size: int
    order: str = "little"

    def put(self, data: bytearray, value: int) -> None:
        """Change it, if the file is still that long."""
        end = self.offset + self.size
        if end <= len(data):
            value &= (1 << 8 * self.size) - 1
            data[self.offset : end] = value.to_bytes(self.size, self.order)  # type: ignore[arg-type]

    def get(self, data: bytes | bytearray) -> int:
        """Its value."""
        return int.from_bytes(data[self.offset : self.offset + self.size], self.order)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Sample:
    """A sound file. `role`: what it is given as."""

    name: str
    role: str
    data: bytes
    fields: tuple[Field, ...]


def samples() -> list[Sample]:
    """One of every format and kind."""
    program, image = _program(), _linux()
    packed = zstandard.ZstdCompressor(level=3).compress(image)
    unsized = zstandard.ZstdCompressor(level=1, write_content_size=False).compress(image)
    tree = make_dtb(BoardConfig(memory=1 << 24), None, b"")
    return [
        Sample("ELF", "kernel", program, _elf_fields(2)),
        Sample("demo.elf", "kernel", _demo(), _elf_fields(3)),
        Sample("firmware", "bios", program, _elf_fields(2)),
        Sample("Image", "kernel", image, _linux_fields()),
        Sample("gzip", "kernel", gzip.compress(image, mtime=0), _bytes(range(10), range(-8, 0))),
        Sample("zboot with zstd", "kernel", _zboot(packed, b"zstd22"), _zboot_fields()),
        Sample("zboot with gzip", "kernel", _zboot(gzip.compress(image), b"gzip"), _zboot_fields()),
        Sample("zstd without size", "kernel", _zboot(unsized, b"zstd"), _zboot_fields()),
        Sample("device tree", "dtb", tree, _words(tree)),
        Sample("symbol table", "symbols", _symbol_table(), _symbol_fields()),
        Sample("System.map", "symbols", _map(), _bytes(range(0, 200, 3))),
        Sample("initrd", "initrd", b"070701" * 20, _bytes(range(8))),
    ]


def gzipped(data: bytes) -> bytes:
    """Around something wrong, with the right checksum."""
    return gzip.compress(data, 1, mtime=0)


def zbooted(data: bytes) -> bytes:
    """Likewise."""
    return _zboot(zstandard.ZstdCompressor(level=1).compress(data), b"zstd22")


def bomb(size: int, *, sized: bool) -> bytes:
    """An EFI kernel of `size` zeros in blocks of 128 KiB (RFC 8878, 3.1.1.2)."""
    header = b"\xe0" + struct.pack("<Q", size) if sized else b"\x00\x68"
    block = (1 << 1 | (128 << 10) << 3).to_bytes(3, "little") + b"\0"
    last = (1 | 1 << 1).to_bytes(3, "little") + b"\0"
    blocks = block * (size >> 17) + last
    return _zboot(b"\x28\xb5\x2f\xfd" + header + blocks, b"zstd22")


def _demo() -> bytes:
    return (files("lockstep.ui") / "data" / "demo.elf").read_bytes()


def _program() -> bytes:
    segments = ((BASE, _CODE, 0x1000), (BASE + 0x2000, b"data" * 8, 0x40))
    at = 64 + 56 * len(segments)
    header = struct.pack(
        "<HHIQQQIHHHHHH", 2, 243, 1, BASE, 64, 0, 0, 64, 56, len(segments), 64, 0, 0
    )
    table, contents = b"", b""
    for address, content, extent in segments:
        where = at + len(contents)
        table += struct.pack(
            "<IIQQQQQQ", 1, 7, where, address, address, len(content), extent, 0x1000
        )
        contents += content
    return b"\x7fELF\x02\x01\x01" + bytes(9) + header + table + contents


def _linux() -> bytes:
    at, optional, start = 0x40, 160, 0x40 + 24 + 160 + 40
    head = struct.pack(
        "<IIQQQIIQQ4sI", 0x6F, 0, 0x20_0000, 0x3000, 0, 2, 0, 0, 0x5643534952, b"RSC\x05", at
    )
    pe = b"PE\0\0" + struct.pack("<HHIIIHH", 0x5064, 1, 0, 0, 0, optional, 0) + bytes(optional)
    pe += struct.pack("<8sIIII16x", b".text", len(_CODE), start, len(_CODE), start)
    return head + pe + _CODE


def _zboot(payload: bytes, method: bytes) -> bytes:
    return struct.pack("<4s4sII8x32s", b"MZ\0\0", b"zimg", 56, len(payload), method) + payload


def _map() -> bytes:
    lines = (f"{0xFFFFFFFF80000000 + 16 * n:016x} {'TtDW'[n % 4]} name_{n}" for n in range(40))
    return "\n".join(lines).encode()


def _symbol_table() -> bytes:
    strings, table = b"\0", bytes(24)
    for n in range(_SYMBOLS):
        table += struct.pack("<IBBHQQ", len(strings), 0x12, 0, 1, BASE + 16 * n, 16)
        strings += b"function%d\0" % n
    names = b"\0.symtab\0.strtab\0"
    sections = (
        (0, 0, 0, 0, 0, 0),
        (1, 2, 64, len(table), 2, 24),
        (9, 3, 64 + len(table), len(strings), 0, 0),
        (9, 3, 64 + len(table) + len(strings), len(names), 0, 0),
    )
    body = table + strings + names
    header = struct.pack("<HHIQQQIHHHHHH", 2, 243, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, 4, 3)
    for name, kind, at, size, link, entry in sections:
        body += struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, at, size, link, 0, 8, entry)
    return b"\x7fELF\x02\x01\x01" + bytes(9) + header + body


def _layout(start: int, *sizes: int) -> Iterable[Field]:
    for size in sizes:
        yield Field(start, size)
        start += size


def _elf_fields(segments: int) -> tuple[Field, ...]:
    header = [*_bytes(range(4, 8)), *_layout(16, 2, 2, 4, 8, 8, 8, 4, 2, 2, 2, 2, 2, 2)]
    for n in range(segments):
        header += _layout(64 + 56 * n, 4, 4, 8, 8, 8, 8, 8, 8)
    return tuple(header)


def _symbol_fields() -> tuple[Field, ...]:
    sections = len(_symbol_table()) - 4 * 64
    header = [*_layout(16, 2, 2, 4, 8, 8, 8, 4, 2, 2, 2, 2, 2, 2)]
    for n in range(_SYMBOLS + 1):
        header += _layout(64 + 24 * n, 4, 1, 1, 2, 8, 8)
    for n in range(4):
        header += _layout(sections + 64 * n, 4, 4, 8, 8, 8, 8, 4, 4, 8, 8)
    return tuple(header)


def _linux_fields() -> tuple[Field, ...]:
    return (*_layout(0, 4, 4, 8, 8, 8, 4, 4, 8, 8, 4, 4), *_layout(0x44, 2, 2, 4, 4, 4, 2, 2),
            *_layout(0x40 + 24 + 160 + 8, 4, 4, 4, 4))  # fmt: skip


def _zboot_fields() -> tuple[Field, ...]:
    return (*_layout(0, 4, 4, 4, 4), *_bytes(range(24, 32), range(56, 80), range(-12, 0)))


def _words(data: bytes) -> tuple[Field, ...]:
    return tuple(Field(at, 4, "big") for at in range(0, len(data) - 3, 4))


def _bytes(*ranges: range) -> tuple[Field, ...]:
    return tuple(Field(at, 1) for each in ranges for at in each if at >= 0)
