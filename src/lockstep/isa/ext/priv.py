"""The privileged instructions, and the two that any mode may use to call for help."""

from __future__ import annotations

from lockstep.isa.interrupts import wakes
from lockstep.isa.privileged import (
    BREAKPOINT,
    ENVIRONMENT_CALL,
    ILLEGAL_INSTRUCTION,
    MACHINE,
    STATUS_TSR,
    STATUS_TVM,
    STATUS_TW,
    SUPERVISOR,
    USER,
)
from lockstep.isa.sem import Hart
from lockstep.isa.table import insn
from lockstep.isa.traps import leave_machine, leave_supervisor


@insn("000000000000 00000 000 00000 1110011")
def ecall(s: Hart) -> None:
    """A trap whose cause tells the calling mode. (Priv. 3.3.1)"""
    s.trap(s.priv + ENVIRONMENT_CALL, 0)


@insn("000000000001 00000 000 00000 1110011")
def ebreak(s: Hart) -> None:
    """A breakpoint trap; tval is 0, as 3.1.16 leaves free. (Priv. 3.3.1)"""
    s.trap(BREAKPOINT, 0)


@insn("0011000 00010 00000 000 00000 1110011")
def mret(s: Hart) -> None:
    """Return from a trap to M. (Priv. 3.3.2)"""
    if s.priv < MACHINE:
        s.trap(ILLEGAL_INSTRUCTION, s.insn_word())
    s.jump(leave_machine(s))
    s.resync()


@insn("0001000 00010 00000 000 00000 1110011")
def sret(s: Hart) -> None:
    """Return from a trap to S; mstatus.TSR keeps it from S. (Priv. 3.1.6.5, 3.3.2)"""
    trapped = s.priv == SUPERVISOR and (s.mstatus & STATUS_TSR) != 0
    if s.priv == USER or trapped:
        s.trap(ILLEGAL_INSTRUCTION, s.insn_word())
    s.jump(leave_supervisor(s))
    s.resync()


@insn("0001000 00101 00000 000 00000 1110011")
def wfi(s: Hart) -> None:
    """Wait for an interrupt. (Priv. 3.3.3)

    The time limit after which 3.1.6.5 and 3.3.3 let it trap (mstatus.TW in S; always in U) is
    zero.
    """
    trapped = s.priv == SUPERVISOR and (s.mstatus & STATUS_TW) != 0
    if s.priv == USER or trapped:
        s.trap(ILLEGAL_INSTRUCTION, s.insn_word())
    if not wakes(s):
        s.wait_for_interrupt()


@insn("0001001 rs2 rs1 000 00000 1110011", asm="rs1, rs2")
def sfence_vma(s: Hart) -> None:
    """Order page-table stores before translations; mstatus.TVM keeps it from S. (Priv. 4.2.1)

    Translations never lag behind memory here, so that only the checks remain.
    """
    trapped = s.priv == SUPERVISOR and (s.mstatus & STATUS_TVM) != 0
    if s.priv == USER or trapped:
        s.trap(ILLEGAL_INSTRUCTION, s.insn_word())
