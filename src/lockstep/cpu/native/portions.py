"""Compiling the interpreter in portions, so that two processes can work at it.

Each builds the whole module, which is quick, and has LLVM compile its own functions of it.
"""

from __future__ import annotations

import gc
from typing import Final

from llvmlite import ir

from lockstep.cpu.native.target import optimised

PORTIONS: Final = 2
_SHARES: Final = (0, 0, 0, 0, 1, 1, 1)
"""Whose portion one function in seven is: the second one's process has yet to start. Both are done
at the same time; with three in five for the first, it took a seventh longer."""


def compile_portion(number: int) -> bytes:
    """Object code of the interpreter's functions of that portion."""
    from lockstep.cpu.native.interpreter import build

    gc.disable()  # LLVM's instructions are objects by the hundred thousand, all in use to the end
    try:
        module = build()
        _keep_only(module, number)
        text = str(module)
    finally:
        gc.enable()
    return optimised(text, vectors=True)


def _keep_only(module: ir.Module, number: int) -> None:
    """Declare the functions of other portions; the first one has the tables, too."""
    for index, function in enumerate(module.functions):
        if _SHARES[index % len(_SHARES)] != number:
            function.blocks.clear()
    if number != 0:
        for table in list(module.global_values):
            if isinstance(table, ir.GlobalVariable):
                del module.globals[table.name]
