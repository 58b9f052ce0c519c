"""The symbol table of an ELF file, read without the rest of it: a vmlinux may have gigabytes.

What is read is bounded first, and pyelftools is asked for headers only: it would read a table of
absurd entries for hours, and an honest one of 200,000 for seconds.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

MOST_SYMBOLS: Final = 1 << 22
"""Twenty times what a kernel has."""
MOST_NAMES: Final = 256 << 20
"""Bytes of all names."""
MOST_SECTIONS: Final = 1 << 16
_LONGEST_NAME: Final = 4096

STT_NOTYPE, STT_FUNC = 0, 2

_SYMBOL: Final = struct.Struct("<IBBHQQ")  # Elf64_Sym


class ElfSymbol(NamedTuple):
    """`type` is one of STT_*; `section` may be no section's number (SHN_ABS and others)."""

    name: str
    type: int
    section: int
    value: int
    size: int


def read_symbol_table(file: BinaryIO) -> tuple[list[ElfSymbol], list[int]]:
    """The symbols, and where each section ends in memory. Raises OSError, and ValueError for what
    is no little-endian 64-bit ELF file, damaged, or beyond the bounds."""
    size = file.seek(0, os.SEEK_END)
    sections = _sections(file, size)
    ends = [each["sh_addr"] + each["sh_size"] for each in sections]
    table = next((each for each in sections if each["sh_type"] == "SHT_SYMTAB"), None)
    if table is None:
        return [], ends
    if not table["sh_link"] < len(sections):
        raise ValueError("its symbols have no names")
    if table["sh_entsize"] != _SYMBOL.size:
        raise ValueError("its symbols are of an odd size")
    entries = _read(file, table, size, MOST_SYMBOLS * _SYMBOL.size)
    names = _read(file, sections[table["sh_link"]], size, MOST_NAMES)
    whole = len(entries) // _SYMBOL.size * _SYMBOL.size
    return [
        ElfSymbol(_name(names, name), info & 15, section, value, extent)
        for name, info, _, section, value, extent in _SYMBOL.iter_unpack(entries[:whole])
    ], ends


def _sections(file: BinaryIO, size: int) -> list[Any]:
    from elftools.common.exceptions import ELFError
    from elftools.common.utils import struct_parse
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(file)
        places = _places(elf, size)
        return [struct_parse(elf.structs.Elf_Shdr, file, at) for at in places]
    except (ELFError, struct.error) as error:
        raise ValueError(str(error)) from error


def _places(elf: ELFFile, size: int) -> range:
    """Where the section headers are in the file."""
    if elf.elfclass != 64 or not elf.little_endian:
        raise ValueError("it is not for a little-endian 64-bit machine")
    start, count, step = elf["e_shoff"], elf["e_shnum"], elf["e_shentsize"]
    if not start:
        return range(0)
    if not 0 < count < MOST_SECTIONS or step < elf.structs.Elf_Shdr.sizeof():
        raise ValueError("it has an absurd number of sections")
    if start + count * step > size:
        raise ValueError("its section headers are not in the file")
    return range(start, start + count * step, step)


def _read(file: BinaryIO, section: Any, size: int, most: int) -> bytes:
    start, length = section["sh_offset"], section["sh_size"]
    if section["sh_type"] == "SHT_NOBITS" or start + length > size:
        raise ValueError("its symbols are not in the file")
    if length > most:
        raise ValueError("it has an absurd number of symbols")
    file.seek(start)
    return file.read(length)


def _name(names: bytes, start: int) -> str:
    end = names.find(b"\0", start, start + _LONGEST_NAME)
    return "" if end < 0 else names[start:end].decode(errors="replace")
