"""Addresses have the names of an ELF file's symbol table."""

import struct
from pathlib import Path

import pytest

from lockstep.errors import UsageError
from lockstep.session.symbols import Symbols

BUILT = Path(__file__).parents[3] / "guests" / "build"
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


@pytest.mark.parametrize(
    ("address", "function"),
    [
        (0x8000_0000, (0x8000_0000, "start")),
        (0x8000_0003, (0x8000_0000, "start")),
        (0x8000_0004, None),
        (0x8000_0013, (0x8000_0010, "main")),
        (0x8000_0014, None),
        (0x7FFF_FFFF, None),
    ],
)
def test_what_is_past_the_end_of_a_function_is_in_none(guest, address, function) -> None:
    """Or else the last of a firmware's would be wherever its kernel is."""
    assert Symbols.read(guest).function(address) == function


def test_a_function_without_a_size_ends_with_its_section() -> None:
    """As those written in assembly, of which our own guests have some."""
    symbols = Symbols.read(BUILT / "demo.elf")
    start, name = symbols.function(0x8000_0004)
    assert (start, name) == (0x8000_0000, "_start")
    assert symbols.function(0x9000_0000) is None
    assert symbols.name(0x9000_0000).startswith("stacks+")


def test_a_system_map_is_as_good(tmp_path) -> None:
    """Or what Linux has in /proc/kallsyms. It has no sizes: whatever comes next is an end."""
    path = tmp_path / "System.map"
    path.write_text(
        "ffffffff80000000 T _start\n"
        "ffffffff80000000 t $x\n"
        "ffffffff80000040 t helper\n"
        "ffffffff80000040 T alias\n"
        "ffffffff80000080 D data\n"
        "ffffffff02000000 t of_a_module\t[module]\n"
    )
    symbols = Symbols.read(path)
    assert symbols.name(0xFFFF_FFFF_8000_0044) == "helper+0x4"
    assert symbols.function(0xFFFF_FFFF_8000_007F) == (0xFFFF_FFFF_8000_0040, "helper")
    assert symbols.function(0xFFFF_FFFF_8000_0080) is None
    assert symbols.name(0xFFFF_FFFF_0200_0008) == "of_a_module+0x8"


def test_a_kallsyms_that_hides_its_addresses_has_no_symbols(tmp_path) -> None:
    """As it does from who is not root."""
    path = tmp_path / "kallsyms"
    path.write_text("0000000000000000 T _start\n0000000000000000 T schedule\n")
    with pytest.raises(UsageError, match="has no symbols"):
        Symbols.read(path)


def test_without_an_elf_file_with_symbols_there_is_an_error(tmp_path) -> None:
    path = tmp_path / "x"
    with pytest.raises(UsageError, match="cannot read"):
        Symbols.read(path)
    for data, error in ((b"not one", "not an ELF file"), (elf([]), "has no symbols")):
        path.write_bytes(data)
        with pytest.raises(UsageError, match=error):
            Symbols.read(path)


def changed(offset: int, layout: str, *values: int) -> bytes:
    """A sound file, with some field changed."""
    data = bytearray(elf([("start", FUNC, 0x8000_0000)]))
    struct.pack_into(layout, data, offset, *values)
    return bytes(data)


WHOLE = elf([("start", FUNC, 0x8000_0000)])
TABLE = len(WHOLE) - 4 * 64 + 64
"""Where the header of .symtab is."""


@pytest.mark.parametrize(
    "data",
    [
        changed(40, "<Q", 1 << 63),
        changed(40, "<Q", 5000),
        changed(58, "<H", 8),
        changed(60, "<H", 65535),
        changed(60, "<H", 0),
        changed(4, "<B", 1),
        changed(5, "<B", 2),
        changed(TABLE + 24, "<Q", 1 << 63),
        changed(TABLE + 32, "<Q", 1 << 62),
        changed(TABLE + 40, "<I", 1 << 31),
        changed(TABLE + 56, "<Q", 1),
        changed(TABLE + 56, "<Q", 0),
        changed(TABLE + 64 + 24, "<Q", 1 << 63),
        *(WHOLE[:end] for end in range(4, len(WHOLE), 7)),
    ],
)
def test_a_damaged_symbol_table_is_refused(tmp_path: Path, data: bytes) -> None:
    """Before anything is read where it says, or as often as it says."""
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(UsageError) as refused:
        Symbols.read(path)
    assert "symbol" in refused.value.remedy


def test_symbols_may_name_strings_that_are_not_there(tmp_path: Path) -> None:
    """They have no name then."""
    data = bytearray(elf([("start", FUNC, 0x8000_0000), ("main", FUNC, 0x8000_0010)]))
    struct.pack_into("<I", data, 64 + 24, 1 << 31)
    path = tmp_path / "x"
    path.write_bytes(data)
    assert Symbols.read(path).name(0x8000_0010) == "main"
    assert Symbols.read(path).name(0x8000_0000) == ""


def test_a_line_of_a_map_is_bounded(tmp_path: Path) -> None:
    """A file of zeros is one line, and no map."""
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UsageError, match="not an ELF file"):
        Symbols.read(path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="not a plain file"):
        Symbols.read(path)
