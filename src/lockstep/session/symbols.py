"""The guest's own names for addresses, from an ELF file such as a kernel's vmlinux."""

from bisect import bisect_right
from pathlib import Path
from typing import Any, Final

from lockstep.errors import UsageError
from lockstep.machine.machine import Machine
from lockstep.replay.divergence import Place

_CODE: Final = ("STT_FUNC", "STT_NOTYPE")
_REMEDY: Final = "give --symbols an ELF file with a symbol table, such as vmlinux"


class Symbols:
    """Names by address. Where an address has several, functions come first."""

    def __init__(self, named: dict[int, str]) -> None:
        self._addresses = sorted(named)
        self._named = named

    @classmethod
    def read(cls, path: Path) -> "Symbols":
        """The symbol table of an ELF file."""
        from elftools.common.exceptions import ELFError
        from elftools.elf.elffile import ELFFile

        try:
            with path.open("rb") as file:
                table: Any = ELFFile(file).get_section_by_name(".symtab")
                found = [] if table is None else list(table.iter_symbols())
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}", remedy=_REMEDY) from error
        except ELFError as error:
            raise UsageError(f"{path} is not an ELF file: {error}", remedy=_REMEDY) from error
        kinds = [each for each in found if each["st_info"]["type"] in _CODE and each.name]
        if not kinds:
            raise UsageError(f"{path} has no symbols", remedy=_REMEDY)
        kinds.sort(key=lambda each: _CODE.index(each["st_info"]["type"]), reverse=True)
        # RISC-V's mapping symbols ($x, $d) and local labels (.L1) are no names of anything.
        return cls({e["st_value"]: e.name for e in kinds if e.name[0] not in "$."})

    def name(self, address: int) -> str:
        """ "function+0x12", or nothing before the first symbol."""
        index = bisect_right(self._addresses, address) - 1
        if index < 0:
            return ""
        start = self._addresses[index]
        offset = f"+{address - start:#x}" if address > start else ""
        return self._named[start] + offset


def read_symbols(path: str | None) -> Symbols | None:
    """Those of a file, if one is given."""
    return None if path is None else Symbols.read(Path(path))


def places(machine: Machine, symbols: Symbols | None = None) -> tuple[Place, ...]:
    """Where the harts of a machine are."""
    pcs = [machine.cpu.hart_fields(hart)["pc"] for hart in range(machine.config.harts)]
    return tuple(
        Place(hart, hex(pc), symbols.name(pc) if symbols else "") for hart, pc in enumerate(pcs)
    )
