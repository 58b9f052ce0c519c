"""The hart as a region sees it: whatever is out of the ordinary is left to the interpreter."""

from __future__ import annotations

from typing import Any

from lockstep.cpu.native.regions.floats import region_version
from lockstep.cpu.native.vocabulary import NativeHart, Registers
from lockstep.cpu.native.words import NativeWord


class _RegionRegisters(Registers):
    """Registers by static number; some are local, and what is written to x0 is not computed."""

    def _slot(self, index: Any) -> Any:
        return self.hart.lowering.locals.cell(self.offset + 8 * index) or super()._slot(index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.hart.lowering.note_effect()
        if not (self.hardwired and index == 0):
            self.hart.lowering.locals.note_write(self.offset + 8 * index)
            super().__setitem__(index, value)


class RegionHart(NativeHart):
    """The hart inside a region: what is out of the ordinary leaves the region."""

    registers = _RegionRegisters

    def __setattr__(self, name: str, value: Any) -> None:
        self.lowering.note_effect()
        super().__setattr__(name, value)

    def host_store(
        self, address: NativeWord, size: int, value: NativeWord, memory: str = ""
    ) -> None:
        self.lowering.note_effect()
        super().host_store(address, size, value, memory)

    def trap(self, cause: Any, tval: Any) -> None:
        self.lowering.leave_to_interpreter()

    def leave(self) -> None:
        self.lowering.leave_to_interpreter()

    def resync(self) -> None:
        self.lowering.refuse()

    def invoke(self, function: Any, args: tuple[Any, ...], outlined: bool) -> Any:
        here = region_version(function)
        return super().invoke(function, args, outlined) if here is None else here(self, *args)
