"""Floating point inside regions.

A program that computes with floats has mstatus.FS dirty and the inexact flag set almost from its
start. Here both are demanded, once on the way into a loop as LLVM sees it, so that no instruction
has a flag to find or a status to write. Where they are not there the interpreter does the
instruction, and they are there the next time; only code all of whose results are exact stays with
the interpreter.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

from lockstep.cpu.native import hostfloat
from lockstep.cpu.vocabulary import NativeHart
from lockstep.isa import fpu
from lockstep.isa.fpu import BOX, FS
from lockstep.isa.sem import sem
from lockstep.isa.softfloat import Format
from lockstep.isa.values import Word


@sem
def require_fpu(s: NativeHart) -> None:
    """fpu.require_fpu, and dirty."""
    if s.mstatus & FS != FS:
        s.leave()


@sem
def write(s: NativeHart, fmt: Format, register: int, value: Word) -> None:
    """fpu.write, of which the status is dirty already."""
    s.f[register] = value if fmt.width == 64 else value | BOX


@sem
def already_inexact(s: NativeHart) -> bool:
    """hostfloat.already_inexact, or else not here."""
    if not s.fcsr.bit(0):
        s.leave()
    return True


_VERSIONS: Final[dict[Any, Callable[..., Any]]] = {
    inspect.unwrap(usual): here
    for usual, here in (
        (fpu.require_fpu, require_fpu),
        (fpu.write, write),
        (hostfloat.already_inexact, already_inexact),
    )
}


def region_version(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """What is done in a region instead of a semantic function, if anything is."""
    return _VERSIONS.get(function)
