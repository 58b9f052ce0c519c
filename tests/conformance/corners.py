"""Cases that try an operation on all combinations of corner operands, many results to a case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Final, TypeVar

from conformance import layout as at
from conformance.cases import Case, Window
from conformance.steps import floating
from instructions import CORNERS, assemble, encode
from lockstep.isa.csrs import CSR_NUMBERS
from lockstep.isa.table import Insn

T = TypeVar("T")
Operands = tuple[int, ...]

RESULT: Final = 31  # the register operations write to, then stored into the window
_POINTER: Final = 30
_FLAGS: Final = 29
_SLOTS: Final = at.WINDOW_BYTES // 8
_EMPTY: Final = bytes(at.WINDOW_BYTES)
SOURCES: Final = ("rs1", "rs2", "rs3")


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of `size`."""
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


def integer_cases(one: Insn, operands: Iterable[Operands], **fixed: int) -> Iterator[Case]:
    """An operation of integer registers only: each result is a slot of the window."""
    taken = [name for name in SOURCES if name in _operands(one)]
    room = min(_SLOTS, (_FLAGS - 1) // len(taken))
    for some in chunks(operands, room):
        code, x, next_register = [], {_POINTER: Window(0)}, 1
        for number, values in enumerate(some):
            chosen = dict(fixed, rd=RESULT)
            for name, value in zip(taken, values, strict=True):
                x[next_register] = value
                chosen[name] = next_register
                next_register += 1
            code += [assemble(one, chosen), encode("sd", rs1=_POINTER, rs2=RESULT, imm=8 * number)]
        yield Case(code, x=x, window=_EMPTY)


def float_cases(
    one: Insn, operands: Iterable[Operands], *, accrued: int = 0, **fixed: int
) -> Iterator[Case]:
    """An operation with a floating-point register: each result and its flags are two slots.

    Each finds the flags `accrued` set.
    """
    taken = tuple(name for name in SOURCES if name in _operands(one))
    room = min(_SLOTS // 2, 28 // len(taken))
    for some in chunks(operands, room):
        code, names = _float_code(one, taken, len(some), accrued, tuple(fixed.items()))
        x, f = {_POINTER: Window(0)}, {}
        for (kind, register), value in zip(names, (v for vs in some for v in vs), strict=True):
            (f if kind == "f" else x)[register] = value
        yield Case(code, x=x, f=f, window=_EMPTY, fcsr=fixed.get("frm", 0) << 5 | accrued)


@cache
def _float_code(
    one: Insn,
    taken: Sequence[str],
    count: int,
    accrued: int,
    fixed: tuple[tuple[str, int], ...],
) -> tuple[list[int], list[tuple[str, int]]]:
    """The code for `count` operations, and where it wants the operands of all of them."""
    code: list[int] = []
    names: list[tuple[str, int]] = []
    store = encode("fsd" if "rd" in floating(one) else "sd", rs1=_POINTER, rs2=RESULT)
    for number in range(count):
        chosen = {"rd": RESULT, **{k: v for k, v in fixed if k != "frm"}}
        for name in taken:
            chosen[name] = len(names) + 1
            names.append(("f" if name in floating(one) else "x", len(names) + 1))
        code += [
            assemble(one, chosen),
            _at(store, 16 * number),
            encode("csrrwi", rd=_FLAGS, csr=CSR_NUMBERS["fflags"], zimm=accrued),
            encode("sd", rs1=_POINTER, rs2=_FLAGS, imm=16 * number + 8),
        ]
    return code, names


def _at(store: int, offset: int) -> int:
    """A store with this offset, which was 0."""
    return store | (offset >> 5) << 25 | (offset & 31) << 7


@cache
def _operands(one: Insn) -> frozenset[str]:
    return frozenset(operand.name for operand in one.encoding.operands)


def takes(one: Insn, *names: str) -> bool:
    """Whether these are all the operands there are."""
    return _operands(one) == set(names)


INTEGERS: Final = tuple(CORNERS)
