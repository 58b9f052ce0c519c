"""Addresses have the names of an ELF file's symbol table."""

import struct
from pathlib import Path

import pytest

from lockstep.errors import UsageError
from lockstep.session.symbols import Symbols

NOTYPE, OBJECT, FUNC = 0, 1, 2
NULL, SYMTAB, STRTAB = 0, 2, 3


def elf(symbols: list[tuple[str, int, int]]) -> bytes:
    """A little-endian ELF64 of nothing but symbols: name, type, address."""
    strings, table = b"\0", bytes(24)
    for name, kind, address in symbols:
        table += struct.pack("<IBBHQQ", len(strings), 1 << 4 | kind, 0, 1, address, 4)
        strings += name.encode() + b"\0"
    names = b"\0.symtab\0.strtab\0"
    strings_at = 64 + len(table)
    names_at = strings_at + len(strings)
    sections = [
        (0, NULL, 0, 0, 0, 0),
        (1, SYMTAB, 64, len(table), 2, 24),
        (9, STRTAB, strings_at, len(strings), 0, 0),
        (9, STRTAB, names_at, len(names), 0, 0),
    ]
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack(
        "<HHIQQQIHHHHHH", 2, 243, 1, 0, 0, names_at + len(names), 0, 64, 0, 0, 64, 4, 3
    )
    body = table + strings + names
    for name, kind, at, size, link, entry in sections:
        body += struct.pack("<IIQQQQIIQQ", name, kind, 0, 0, at, size, link, 0, 8, entry)
    return header + body


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    path = tmp_path / "guest"
    path.write_bytes(
        elf(
            [
                ("start", NOTYPE, 0x8000_0000),
                ("$x", NOTYPE, 0x8000_0008),
                ("main", FUNC, 0x8000_0010),
                ("alias", NOTYPE, 0x8000_0010),
                ("table", OBJECT, 0x8000_0020),
                (".L1", NOTYPE, 0x8000_0014),
            ]
        )
    )
    return path


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (0x8000_0000, "start"),
        (0x8000_000C, "start+0xc"),
        (0x8000_0010, "main"),
        (0x8000_0024, "main+0x14"),
        (0x7FFF_FFFF, ""),
    ],
)
def test_an_address_is_named_after_the_function_it_is_in(guest, address, name) -> None:
    """Not after data, mapping symbols, local labels or aliases."""
    assert Symbols.read(guest).name(address) == name


def test_without_an_elf_file_with_symbols_there_is_an_error(tmp_path) -> None:
    path = tmp_path / "x"
    with pytest.raises(UsageError, match="cannot read"):
        Symbols.read(path)
    for data, error in ((b"not one", "not an ELF file"), (elf([]), "has no symbols")):
        path.write_bytes(data)
        with pytest.raises(UsageError, match=error):
            Symbols.read(path)
