"""The disassembler, derived from the instruction table.

An instruction prints the operands its semantics take, or as its `asm` template says. A template is
operand syntax in which these words are replaced: rd rs1 rs2 rs3 (integer registers), fd fs1 fs2 fs3
(the same fields as floating-point registers), imm, uimm, shamt, zimm, csr, rm, pred, succ, target
(a pc-relative address) and upper (the immediate shifted down by 12).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Final

from lockstep.isa.csrs import CSR_NAMES
from lockstep.isa.table import Insn, decode

X_NAMES: Final = (
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1",
    *(f"a{n}" for n in range(8)), *(f"s{n}" for n in range(2, 12)), "t3", "t4", "t5", "t6",
)  # fmt: skip
F_NAMES: Final = (
    *(f"ft{n}" for n in range(8)), "fs0", "fs1",
    *(f"fa{n}" for n in range(8)), *(f"fs{n}" for n in range(2, 12)), "ft8", "ft9", "ft10", "ft11",
)  # fmt: skip
ROUNDING: Final = ("rne", "rtz", "rdn", "rup", "rmm", "5", "6", "dyn")

_WORD: Final = re.compile(r"[a-z]+\d?")
_ORDER: Final = ("rd", "csr", "rs1", "rs2", "rs3", "imm", "uimm", "shamt", "zimm", "rm")


def disassemble(word: int, pc: int) -> str:
    """The instruction at address `pc` as text, e.g. "lw a0, 8(sp)"; data if it is none."""
    one = decode(word)
    if one is None:
        return f".word {word:#010x}" if word & 3 == 3 else f".half {word & 0xFFFF:#06x}"
    values = one.operands(word)

    def replaced(found: re.Match[str]) -> str:
        printer = _PRINTERS.get(found[0])
        return printer(values, word, pc) if printer else found[0]

    operands = _WORD.sub(replaced, template(one)).removesuffix(", dyn")
    return f"{one.name}{_ordering(one, word)} {operands}".rstrip()


def template(one: Insn) -> str:
    """The operand syntax of an instruction."""
    if one.asm:
        return one.asm
    taken = inspect.signature(inspect.unwrap(one.semantics)).parameters
    floating = _floating(one.name)
    return ", ".join("f" + n[1:] if n in floating else n for n in _ORDER if n in taken)


def _floating(name: str) -> tuple[str, ...]:
    """The register operands of an F or D instruction that name floating-point registers."""
    if not name.startswith("f") or name.startswith("fence"):
        return ()
    stem, *formats = name.split(".")
    if stem in {"feq", "flt", "fle", "fclass"}:
        return ("rs1", "rs2")
    if (stem == "fcvt" and formats[0] not in {"s", "d"}) or name.startswith("fmv.x."):
        return ("rs1",)
    if (stem == "fcvt" and formats[1] not in {"s", "d"}) or stem == "fmv":
        return ("rd",)
    return ("rd", "rs1", "rs2", "rs3")


def _ordering(one: Insn, word: int) -> str:
    """The aq and rl bits of an atomic instruction."""
    return ("", ".rl", ".aq", ".aqrl")[word >> 25 & 3] if one.ext == "A" else ""


def csr_name(number: int) -> str:
    """A CSR by name if it has one."""
    return CSR_NAMES.get(number, f"{number:#x}")


def _register(operand: str, names: tuple[str, ...]) -> _Printer:
    return lambda values, word, pc: names[values[operand]]


def _number(operand: str) -> _Printer:
    return lambda values, word, pc: str(values[operand])


def _fence_set(low: int) -> _Printer:
    def printed(values: dict[str, int], word: int, pc: int) -> str:
        named = (n for i, n in enumerate("iorw") if word >> (low + 3 - i) & 1)
        return "".join(named) or "0"

    return printed


_Printer = Callable[[dict[str, int], int, int], str]

_PRINTERS: Final[dict[str, _Printer]] = {
    **{r: _register(r, X_NAMES) for r in ("rd", "rs1", "rs2", "rs3")},
    **{"f" + r[1:]: _register(r, F_NAMES) for r in ("rd", "rs1", "rs2", "rs3")},
    **{n: _number(n) for n in ("imm", "uimm", "shamt", "zimm")},
    "rm": lambda values, word, pc: ROUNDING[values["rm"]],
    "csr": lambda values, word, pc: csr_name(values["csr"]),
    "target": lambda values, word, pc: hex((pc + values["imm"]) & ((1 << 64) - 1)),
    "upper": lambda values, word, pc: hex(values["imm"] >> 12 & 0xFFFFF),
    "pred": _fence_set(24),
    "succ": _fence_set(20),
}
