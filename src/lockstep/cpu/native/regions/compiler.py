"""From the code of a page to object code of its regions."""

from __future__ import annotations

from typing import NamedTuple

from llvmlite import binding as llvm

from lockstep.cpu.native.functions import NativeModule
from lockstep.cpu.native.regions.code import Code
from lockstep.cpu.native.regions.lowering import Foreign, Region
from lockstep.cpu.native.regions.shape import Shape, shapes

_foreign: set[str] = set()
"""Names of instructions that turned out to be the interpreter's."""


class Compiled(NamedTuple):
    """Object code. `entries`: the function to run where; `imports`: the handlers it calls."""

    object: bytes
    entries: dict[int, str]
    imports: list[str]


def lower(page: bytes, executed: frozenset[int], heat: list[int], least: int):
    while True:
        code = Code.read(page, executed, frozenset(_foreign))
        try:
            module = NativeModule()
            entries = {}
            for number, shape in enumerate(shapes(code, heat, least)):
                name = f"region{number}"
                Region(module, name, shape)
                entries |= dict.fromkeys(shape.entries, name)
            return module, entries
        except Foreign as found:
            _foreign.add(found.name)
