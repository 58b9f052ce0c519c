"""Instructions that may follow each other in any order.

A step is a short run of words that ends where the next step begins, come what may: a branch brings
along what it skips. Steps share conventions about registers: some are pointers into the case's
window and never written; all others hold numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final

from conformance import layout as at
from conformance.dice import Dice
from instructions import assemble, encode
from lockstep.isa.csrs import CSR_NUMBERS
from lockstep.isa.disasm import template
from lockstep.isa.encoding import Operand
from lockstep.isa.table import Insn, decode

Words = tuple[int, ...]

BASES: Final = (2, 3, 4, 8, 9)  # pointers for loads and stores; the offset into the window varies
POINTERS: Final = (5, 6, 7)  # pointers for atomics, which take no offset
SCRATCH: Final = (1, *range(10, 32))  # may be written
SHORT_SCRATCH: Final = tuple(range(10, 16))
ALL: Final = tuple(range(32))

LOADS: Final = {
    "lb": 1, "lh": 2, "lw": 4, "ld": 8, "lbu": 1, "lhu": 2, "lwu": 4, "flw": 4, "fld": 8,
    "c.lw": 4, "c.ld": 8, "c.fld": 8, "c.lwsp": 4, "c.ldsp": 8, "c.fldsp": 8,
}  # fmt: skip
STORES: Final = {
    "sb": 1, "sh": 2, "sw": 4, "sd": 8, "fsw": 4, "fsd": 8,
    "c.sw": 4, "c.sd": 8, "c.fsd": 8, "c.swsp": 4, "c.sdsp": 8, "c.fsdsp": 8,
}  # fmt: skip
# Registers of which every bit, or the same bits, can be written everywhere. Not those which the
# harness itself relies on while a case runs.
PLAIN_CSRS: Final = ("fflags", "frm", "fcsr", "sscratch", "scause", "stval", "mtval")
TRAPS: Final = ("ecall", "ebreak", "c.ebreak")  # the last instruction of a case, if any


def base_offsets(dice: Dice) -> dict[int, int]:
    """Offsets into the window for the base registers, so that every offset operand has its use."""
    return {
        2: dice.pick((0, 40, -112, -240)),
        3: 2048 + dice.below(64),
        4: -1920 + dice.below(64),
        8: dice.pick((0, 64, -64)),
        9: dice.between(-120, 120),
    }


def step(dice: Dice, one: Insn, bases: Mapping[int, int]) -> Words:
    """Words that exercise instruction `one`."""
    special = _SPECIAL.get(one.name)
    if special is not None:
        return special(dice, one)
    if one.name in LOADS or one.name in STORES:
        return (_memory(dice, one, bases),)
    return (plain(dice, one),)


def plain(dice: Dice, one: Insn, **fixed: int) -> int:
    """The instruction with operands chosen; tried again while they make it another one."""
    choices = _choices(one)
    while True:
        operands = {o: fixed[o] if o in fixed else pick(dice) for o, pick in choices.items()}
        word = assemble(one, operands) | dice.below(1 << 32) & ignored_bits(one)
        if decode(word) is one:
            return word


@cache
def floating(one: Insn) -> frozenset[str]:
    """Which of the register operands are floating-point registers."""
    return frozenset("r" + name[1:] for name in re.findall(r"\bf(?:d|s\d)\b", template(one)))


@cache
def _choices(one: Insn) -> dict[str, Callable[[Dice], int]]:
    """For each operand, how it is chosen."""
    return {operand.name: _choice(one, operand) for operand in one.encoding.operands}


def _choice(one: Insn, operand: Operand) -> Callable[[Dice], int]:
    pool = [n for n in _pool(one, operand) if n not in _refused(one, operand)]
    if pool:
        return lambda dice: dice.pick(pool)
    mask = sum(((1 << piece.width) - 1) << piece.at for piece in operand.pieces)
    sign = 1 << (operand.width - 1) if operand.signed else 0
    corners = {bits & mask for bits in (0, 1, 2, 4, 8, 16, 32, 31, 63, sign - 1, sign, ~0, ~1, ~7)}
    some = sorted(corners - _refused(one, operand))

    def choose(dice: Dice) -> int:
        bits = dice.pick(some) if dice.once_in(2) else dice.below(mask + 1) & mask
        return bits - 2 * (bits & sign)

    return choose


def _refused(one: Insn, operand: Operand) -> set[int]:
    """Values that would make it another instruction."""
    sources = {"csrrs": "rs1", "csrrc": "rs1", "csrrsi": "zimm", "csrrci": "zimm"}
    return {0} if sources.get(one.name) == operand.name else set(operand.refused)


def _pool(one: Insn, operand: Operand) -> Sequence[int]:
    """What an operand is chosen from, unless it is an immediate."""
    name, short = operand.name, bool(operand.bias)
    if name == "rm":
        return (0, 1, 2, 3, 4, 7) * 4 + (5, 6)
    if name == "csr":
        return [CSR_NUMBERS[csr] for csr in PLAIN_CSRS]
    if name not in {"rd", "rs1", "rs2", "rs3"}:
        return ()
    if name == "rs1" and one.ext in {"A", "Zicbom", "Zicboz"}:
        return POINTERS
    if name == "rd" and name not in floating(one):
        return SHORT_SCRATCH if short else (0, *SCRATCH)
    return range(8, 16) if short else range(32)


@cache
def ignored_bits(one: Insn) -> int:
    """Bits of the word that have no part in the semantics, such as aq and rl."""
    used = one.encoding.mask
    for operand in one.encoding.operands:
        for piece in operand.pieces:
            used |= ((1 << piece.width) - 1) << piece.low
    return ~used & ((1 << 8 * one.length) - 1)


def _memory(dice: Dice, one: Insn, bases: Mapping[int, int]) -> int:
    """A load or store that stays within the window. It need not be aligned."""
    size = LOADS.get(one.name) or STORES[one.name]
    if one.length == 4:
        base = dice.pick(BASES)
        lowest = max(-2048, -bases[base])
        highest = min(2047, at.WINDOW_BYTES - size - bases[base])
        return plain(dice, one, rs1=base, imm=dice.between(lowest, highest))
    operand = next(o for o in one.encoding.operands if o.name == "uimm")
    base = 2 if one.name.endswith("sp") else dice.pick((8, 9))
    lowest = max(0, -bases[base])
    highest = min((1 << operand.width) - 1, at.WINDOW_BYTES - size - bases[base])
    offset = size * dice.between(-(-lowest // size), highest // size)
    fixed = {} if base == 2 else {"rs1": base}
    return plain(dice, one, uimm=offset, **fixed)


# What needs company.


def _filler(dice: Dice) -> int:
    """An instruction to be skipped, and seen if it is not."""
    register = dice.pick(SCRATCH)
    if dice.once_in(2):
        return encode("c.addi", rd=register, imm=1)
    return encode("addi", rd=register, rs1=register, imm=1)


def _length(*words: int) -> int:
    return sum(4 if word & 3 == 3 else 2 for word in words)


def _branch(dice: Dice, one: Insn) -> Words:
    """Forwards over one instruction; or forwards, back, and out again."""
    filler = _filler(dice)
    there = one.length + _length(filler)
    if not dice.once_in(4):
        return plain(dice, one, imm=there), filler
    away = encode("jal", imm=4 + one.length)
    return encode("jal", imm=8), away, plain(dice, one, imm=-4)


def _jump_to_register(dice: Dice, one: Insn) -> Words:
    """To an address made of the pc, so that the offset (odd ones too) leads over the filler."""
    filler, target = _filler(dice), dice.pick(SCRATCH)
    offset = dice.between(-2000, 2000) if one.length == 4 else 0
    ahead = 8 + one.length + _length(filler)
    fixed = {"imm": offset} if one.length == 4 else {}
    return (
        encode("auipc", rd=target),
        encode("addi", rd=target, rs1=target, imm=ahead - offset),
        plain(dice, one, rs1=target, **fixed),
        filler,
    )


def _wait(dice: Dice, one: Insn) -> Words:
    """WFI with an interrupt pending that is enabled in mie only."""
    mip, mie = CSR_NUMBERS["mip"], CSR_NUMBERS["mie"]
    return (
        encode("csrrsi", csr=mip, zimm=2),
        encode("csrrsi", csr=mie, zimm=2),
        plain(dice, one),
        encode("csrrci", csr=mie, zimm=2),
        encode("csrrci", csr=mip, zimm=2),
    )


def _return(dice: Dice, one: Insn) -> Words:
    """To the instruction after it: MRET to M, SRET to S or U."""
    epc, previous = ("mepc", 3 << 11) if one.name == "mret" else ("sepc", 1 << 8)
    change = "csrrs" if one.name == "mret" else dice.pick(("csrrs", "csrrc"))
    target, bits = 30, 31
    return (
        encode("addi", rd=bits, imm=previous >> 8),
        encode("slli", rd=bits, rs1=bits, shamt=8),
        encode(change, csr=CSR_NUMBERS["mstatus"], rs1=bits),
        encode("auipc", rd=target),
        encode("addi", rd=target, rs1=target, imm=16),
        encode("csrrw", csr=CSR_NUMBERS[epc], rs1=target),
        plain(dice, one),
    )


def _conditional(dice: Dice, one: Insn) -> Words:
    """SC after LR to the same address or another one, or on its own."""
    reserved, other = dice.pick(POINTERS), dice.pick(POINTERS)
    load = encode("lr" + one.name[2:], rd=dice.pick(SCRATCH), rs1=reserved)
    store = plain(dice, one, rs1=dice.pick((reserved, other)))
    again = plain(dice, one, rs1=reserved)
    return (load, store, again) if dice.once_in(2) else (load, store)


_BRANCHES: Final = (
    "beq", "bne", "blt", "bge", "bltu", "bgeu", "jal", "c.beqz", "c.bnez", "c.j",
)  # fmt: skip
_SPECIAL: Final[dict[str, Callable[[Dice, Insn], Words]]] = {
    **dict.fromkeys(_BRANCHES, _branch),
    **dict.fromkeys(("jalr", "c.jr", "c.jalr"), _jump_to_register),
    **dict.fromkeys(("sc.w", "sc.d"), _conditional),
    **dict.fromkeys(("mret", "sret"), _return),
    "wfi": _wait,
}
