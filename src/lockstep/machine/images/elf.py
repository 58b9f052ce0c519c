"""An ELF program: its segments, by physical address, and where it starts.

Of the file only the header and the program headers are parsed, each after it was found to be in
the file: sections, symbols and dynamic tables are nobody's business here.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from lockstep.errors import UsageError
from lockstep.machine.board import DRAM_BASE
from lockstep.machine.images.kinds import AGAIN, LIMIT, Fixed, Segment

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

MOST_SEGMENTS: Final = 1024
"""Program headers. Linkers make a dozen."""

_LARGEST_PAGE: Final = 1 << 16
"""Bytes. No linker for RISC-V aligns a segment further."""

_Header = Mapping[str, Any]


def parse_elf(name: str, data: bytes) -> Fixed:
    """The loadable segments that are not empty, in the order of the file. Raises UsageError."""
    elf, headers = _headers(name, data)
    loads = [each for each in headers if each["p_type"] == "PT_LOAD" and each["p_memsz"]]
    if sum(each["p_filesz"] for each in loads) > LIMIT:
        raise _damaged(name, f"its segments have more than {LIMIT:,} bytes")
    unread = _unread(elf, headers)
    segments = (_segment(name, data, each, unread) for each in loads)
    found = tuple(each for each in segments if each is not None)
    if not found:
        raise UsageError(
            f"the {name} is an ELF file with nothing to load in it",
            remedy="give the linked program, not an object file",
        )
    return Fixed(found, _entry(elf["e_entry"], loads))


def _headers(name: str, data: bytes) -> tuple[ELFFile, Sequence[_Header]]:
    # A twentieth of a second to import, and a kernel Image does not need it.
    from elftools.common.exceptions import ELFError
    from elftools.common.utils import struct_parse
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(io.BytesIO(data))
        _check_machine(name, elf)
        places = _places(name, elf, len(data))
        return elf, [struct_parse(elf.structs.Elf_Phdr, elf.stream, at) for at in places]
    except (ELFError, ValueError, struct.error) as error:
        raise _damaged(name, str(error)) from error


def _places(name: str, elf: ELFFile, size: int) -> range:
    """Where the program headers are in the file."""
    start, count, step = elf["e_phoff"], elf["e_phnum"], elf["e_phentsize"]
    if not count:
        return range(0)
    if count > MOST_SEGMENTS:
        raise _damaged(name, f"it has {count:,} program headers, and may have {MOST_SEGMENTS:,}")
    if step < elf.structs.Elf_Phdr.sizeof() or start + count * step > size:
        raise _damaged(name, "its program headers are not in the file")
    return range(start, start + count * step, step)


def _check_machine(name: str, elf: ELFFile) -> None:
    if elf["e_machine"] != "EM_RISCV" or elf.elfclass != 64 or not elf.little_endian:
        raise UsageError(
            f"the {name} is an ELF file for {elf.get_machine_arch()}, {elf.elfclass} bits",
            remedy="this machine runs little-endian riscv64 code",
        )


def _unread(elf: ELFFile, headers: Sequence[_Header]) -> tuple[range, ...]:
    """Where in the file that is which a linker puts into a segment for a loader to look at."""
    tables = elf["e_phoff"]
    notes = (each for each in headers if each["p_type"] == "PT_NOTE")
    return (
        range(elf.structs.Elf_Ehdr.sizeof()),
        range(tables, tables + elf["e_phnum"] * elf["e_phentsize"]),
        *(range(each["p_offset"], each["p_offset"] + each["p_filesz"]) for each in notes),
    )


def _segment(name: str, data: bytes, header: _Header, unread: Sequence[range]) -> Segment | None:
    """None if nothing is left of it in RAM.

    `ld -Ttext=0x80000000` puts the file's headers into the segment of .text, or into one of their
    own: a page below RAM, where QEMU's virt has nothing either. No program misses them. All else
    that is below RAM would be missed, and is an error of whoever lays out the memory.
    """
    start, size, extent = header["p_offset"], header["p_filesz"], header["p_memsz"]
    if start + size > len(data) or size > extent:
        raise _damaged(name, "a segment is cut short")
    below = min(max(DRAM_BASE - header["p_paddr"], 0), extent)
    if start == 0 and 0 < below <= min(size, _LARGEST_PAGE) and _is_unread(data[:below], unread):
        start, size, extent = start + below, size - below, extent - below
    else:
        below = 0
    if not extent:
        return None
    return Segment(header["p_paddr"] + below, memoryview(data)[start : start + size], extent)


def _is_unread(content: bytes, unread: Sequence[range]) -> bool:
    """Whether there are only zeros beside what nobody reads."""
    rest = bytearray(content)
    for each in unread:
        rest[each.start : each.stop] = bytes(len(rest[each.start : each.stop]))
    return not any(rest)


def _entry(entry: int, headers: Sequence[_Header]) -> int:
    """The entry point is a virtual address; at reset there are only physical ones."""
    for header in reversed(headers):
        if header["p_vaddr"] <= entry < header["p_vaddr"] + header["p_memsz"]:
            return int(entry - header["p_vaddr"] + header["p_paddr"])
    return entry


def _damaged(name: str, why: str) -> UsageError:
    return UsageError(f"the {name} is a damaged ELF file: {why}", remedy=AGAIN)
