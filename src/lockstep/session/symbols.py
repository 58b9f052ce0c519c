"""The guest's own names for addresses: from an ELF file such as a vmlinux, or from a System.map."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from lockstep.errors import UsageError, blame
from lockstep.host.plainfile import open_plain
from lockstep.machine.images.symtab import (
    MOST_SYMBOLS,
    STT_FUNC,
    STT_NOTYPE,
    ElfSymbol,
    read_symbol_table,
)
from lockstep.machine.machine import Machine
from lockstep.replay.divergence import Place
from lockstep.session.images import no_memory

_ELF: Final = b"\x7fELF"
_CODE: Final = (STT_FUNC, STT_NOTYPE)
_LONGEST_LINE: Final = 4096
_MAPPED: Final = re.compile(r"([0-9a-f]{8,16}) ([A-Za-z?]) (\S+)(\t\[\S+\])?")
_MAPPED_CODE: Final = "tTwW"
_REMEDY: Final = "give --symbols an ELF file with a symbol table, such as vmlinux, or a System.map"


class Symbols:
    """Names by address. Where an address has several, functions come first.

    `ends` says where that ends which begins at an address, as far as that is known.
    """

    def __init__(self, named: dict[int, str], ends: Mapping[int, int] = MappingProxyType({})):
        self._addresses = sorted(named)
        self._named = named
        self._ends = ends

    @classmethod
    def read(cls, path: Path) -> "Symbols":
        """Those of an ELF file's symbol table, or of a System.map. Raises UsageError."""
        try:
            with open_plain(path) as file:
                is_elf = file.read(len(_ELF)) == _ELF
                file.seek(0)
                found = _in_elf(path, file) if is_elf else _in_map(path, file)
        except OSError as error:
            kind = blame(error, UsageError)
            raise kind(f"cannot read {path}: {error.strerror}", remedy=_REMEDY) from error
        except MemoryError:
            raise no_memory(f"the symbols of {path}") from None
        if not found._named:
            raise UsageError(f"{path} has no symbols", remedy=_REMEDY)
        return found

    def name(self, address: int) -> str:
        """ "function+0x12", or nothing before the first symbol."""
        start = self._start(address)
        if start is None:
            return ""
        offset = f"+{address - start:#x}" if address > start else ""
        return self._named[start] + offset

    def function(self, address: int) -> tuple[int, str] | None:
        """Where that begins in which an address is, and its name; None if it is in nothing."""
        start = self._start(address)
        if start is None or address >= self._ends.get(start, address + 1):
            return None
        return start, self._named[start]

    def _start(self, address: int) -> int | None:
        index = bisect_right(self._addresses, address) - 1
        return None if index < 0 else self._addresses[index]


def _in_elf(path: Path, file: BinaryIO) -> Symbols:
    try:
        found, sections = read_symbol_table(file)
    except ValueError as error:
        raise UsageError(f"{path} is a damaged ELF file: {error}", remedy=_REMEDY) from error
    code = [each for each in found if each.type in _CODE and _is_name(each.name)]
    code.sort(key=lambda each: _CODE.index(each.type), reverse=True)
    ends = {each.value: _end(each, sections) for each in code}
    return Symbols({each.value: each.name for each in code}, ends)


def _end(symbol: ElfSymbol, sections: Sequence[int]) -> int:
    """Assembly often says no size: then it ends with its section. A constant is in none."""
    if symbol.size or not 0 < symbol.section < len(sections):
        return symbol.value + symbol.size
    return sections[symbol.section]


def _in_map(path: Path, file: BinaryIO) -> Symbols:
    """What nm prints, and Linux has in /proc/kallsyms: address, type and name, a line each."""
    named: dict[int, str] = {}
    addresses = set()
    for line in _lines(path, file):
        match = _MAPPED.fullmatch(line.decode(errors="replace").rstrip("\r\n"))
        if match is None:
            raise UsageError(f"{path} is not an ELF file, nor a System.map", remedy=_REMEDY)
        address, kind, name = int(match[1], 16), match[2], match[3]
        if address:  # kallsyms has nothing but zeros for who may not know
            addresses.add(address)
            if kind in _MAPPED_CODE and _is_name(name):
                named.setdefault(address, name)
    # It has no sizes: what comes next ends it, and that may be data.
    return Symbols(named, dict(pairwise(sorted(addresses))))


def _lines(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Of which none is long, nor are they many."""
    for _ in range(MOST_SYMBOLS):
        line = file.readline(_LONGEST_LINE)
        if not line:
            return
        yield line
    if file.read(1):
        raise UsageError(f"{path} has more than {MOST_SYMBOLS:,} symbols", remedy=_REMEDY)


def _is_name(name: str) -> bool:
    """RISC-V's mapping symbols ($x, $d) and local labels (.L1) are no names of anything."""
    return name != "" and name[0] not in "$."


def read_symbols(path: str | None) -> Symbols | None:
    """Those of a file, if one is given."""
    return None if path is None else Symbols.read(Path(path))


def places(machine: Machine, symbols: Symbols | None = None) -> tuple[Place, ...]:
    """Where the harts of a machine are."""
    pcs = [machine.cpu.hart_fields(hart)["pc"] for hart in range(machine.config.harts)]
    return tuple(
        Place(hart, hex(pc), symbols.name(pc) if symbols else "") for hart, pc in enumerate(pcs)
    )
