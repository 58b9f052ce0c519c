"""Modes: what is allowed in which, traps and delegation, and the way back."""

from __future__ import annotations

from conformance.cases import FS_DIRTY, Case, Code, M, S, U, Value
from conformance.compare import agree
from conformance.dice import Dice
from conformance.harvest import harvest
from conformance.layout import MACHINE_VECTORS, MAXIMUM, SUPERVISOR_VECTORS
from conformance.programs import drawn, program
from conformance.steps import plain
from instructions import encode, named
from lockstep.isa.csrs import CSR_NUMBERS
from lockstep.isa.privileged import (
    ENVCFG_STCE,
    SSIP,
    STATUS_MPIE,
    STATUS_MPRV,
    STATUS_MXR,
    STATUS_SIE,
    STATUS_SPIE,
    STATUS_SPP,
    STATUS_SUM,
    STATUS_TSR,
    STATUS_TVM,
    STATUS_TW,
)
from lockstep.isa.table import Insn, table

PRIVILEGED = [one for one in table() if one.ext == "PRIV"]
FLOAT = [one for one in table() if one.ext in ("F", "D") or one.name.startswith("c.f")]
STATUS_BITS = (
    STATUS_MPIE, STATUS_SIE, STATUS_SPIE, STATUS_SPP, STATUS_TSR, STATUS_TVM, STATUS_TW,
    STATUS_MPRV, STATUS_SUM, STATUS_MXR,
)  # fmt: skip
# QEMU, as configured, has no trigger registers (see the deviations).
REGISTERS = [name for name in CSR_NUMBERS if not name.startswith(("tselect", "tdata"))]
ECALL_FROM_S = 1 << 9  # ends a case in the supervisor's trap handler: not to be delegated
NOP = encode("addi")


def some_of(dice: Dice, bits: tuple[int, ...]) -> int:
    """Some of these bits."""
    return sum(bit for bit in bits if dice.once_in(2))


def privileged_step(dice: Dice) -> int:
    """An instruction that the mode and mstatus allow or forbid."""
    kind = dice.below(4)
    if kind == 0:
        name = dice.pick((*REGISTERS, "satp", "satp", "stimecmp"))
        return encode("csrr", rd=dice.between(10, 20), csr=CSR_NUMBERS[name])
    if kind == 1:
        return 0 if dice.once_in(2) else 0xFFF0_2073  # no instruction; no register
    return plain(dice, dice.pick(PRIVILEGED))


def in_some_mode(dice: Dice) -> Case:
    """Instructions of supervisors in all modes, with all ways to forbid them."""
    mode = dice.pick((M, S, U))
    code = [privileged_step(dice), NOP, privileged_step(dice)]
    csrs: dict[str, Value] = {
        "medeleg": dice.below(1 << 16) & ~ECALL_FROM_S,
        "sepc": Code(4),
        "mcounteren": dice.below(8),
        "scounteren": dice.below(8),
    }
    if mode != U:  # or it would be taken: WFI does not wait
        csrs |= {"mip": SSIP, "mie": SSIP, "mideleg": SSIP}
    mstatus = some_of(dice, STATUS_BITS) & ~(STATUS_SIE if mode == S else 0)
    mstatus &= ~(STATUS_MPIE if mode == M else 0)
    return Case(code, mode=mode, mstatus=mstatus | FS_DIRTY, csrs=csrs)


def test_what_each_mode_may_do() -> None:
    """Returns, fences, WFI, calls and registers; TSR, TVM, TW; delegated traps."""
    agree(harvest("modes", drawn(in_some_mode), 2000))


def in_supervisor_or_user(dice: Dice) -> Case:
    """An instruction of any kind, with floating point on or off."""
    one = dice.pick([one for one in table() if one.ext not in ("PRIV", "Zicbom", "Zicboz")])
    case = program(dice, [one])
    case.mode, case.mstatus = dice.pick((S, U)), dice.pick((0, FS_DIRTY // 3, FS_DIRTY))
    return case


def test_instructions_in_supervisor_and_user_mode() -> None:
    """What works in M works in S and U, if floating point is on."""
    agree(harvest("lower modes", drawn(in_supervisor_or_user), 1200))


def without_float(one: Insn) -> Case:
    return Case([plain(Dice(lambda supply: bytes(32)), one)], mstatus=0)


def test_floating_point_that_is_off() -> None:
    """Every F and D instruction is illegal while mstatus.FS is Off, loads and stores as well."""
    results = agree([without_float(one) for one in FLOAT])
    assert {result.cause for result in results} == {2}


def float_status(dice: Dice) -> Case:
    """When FS becomes Dirty: an F or D instruction, or a write to a register of theirs."""
    kind = dice.below(3)
    one = dice.pick(FLOAT) if kind else named(dice.pick(("csrrw", "csrrs", "csrrwi", "csrrsi")))
    case = program(dice, [one])
    case.mstatus = dice.pick((FS_DIRTY // 3, FS_DIRTY // 3 * 2))
    return case


def test_when_floating_point_becomes_dirty() -> None:
    """mstatus.FS after instructions that find it Initial or Clean."""
    agree(harvest("float status", drawn(float_status), 1200))


INTERRUPTS = (1, 5, 9, 3, 7)  # those that can be raised here: not MEI


def with_interrupts(dice: Dice) -> Case:
    """Interrupts pending, enabled and delegated in all combinations."""
    mode = dice.pick((M, S, U))
    bits = tuple(1 << code for code in INTERRUPTS)
    csrs: dict[str, Value] = {
        "mip": some_of(dice, bits),
        "mie": some_of(dice, bits),
        "mideleg": some_of(dice, bits[:3]),
        "mtvec": MACHINE_VECTORS | dice.below(2),
        "stvec": SUPERVISOR_VECTORS | dice.below(2),
    }
    if dice.once_in(4):
        csrs |= {"menvcfg": ENVCFG_STCE, "stimecmp": dice.pick((0, MAXIMUM))}
    enable = encode("csrrsi", csr=CSR_NUMBERS["sstatus"], zimm=STATUS_SIE)
    return Case(
        [NOP, enable, NOP] if mode != U and dice.once_in(2) else [NOP],
        mode=mode,
        mstatus=some_of(dice, (STATUS_MPIE, STATUS_SIE)) | FS_DIRTY,
        csrs=csrs,
        msip=dice.below(2),
        mtimecmp=dice.pick((0, MAXIMUM)),
    )


def test_which_interrupt_is_taken() -> None:
    """To which mode, by which vector, and when none is."""
    agree(harvest("interrupts", drawn(with_interrupts), 2500))
