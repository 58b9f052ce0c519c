"""Into a trap and back: delegation, the mstatus stacks, vectors, MRET and SRET."""

from __future__ import annotations

from lockstep.isa.privileged import (
    MACHINE,
    STATUS_MIE,
    STATUS_MPIE,
    STATUS_MPP,
    STATUS_MPRV,
    STATUS_SIE,
    STATUS_SPIE,
    STATUS_SPP,
    SUPERVISOR,
    USER,
)
from lockstep.isa.sem import Hart, outlined, sem
from lockstep.isa.state import NO_RESERVATION
from lockstep.isa.values import Word


@outlined
def enter_trap(s: Hart, cause: Word, tval: Word, interrupt: bool) -> Word:
    """Take a trap at s.pc and return the handler's address. `cause` is as xcause will show it.

    A trap goes to M unless it is delegated and the hart runs in S or U (Priv. 3.1.8).
    """
    s.reservation = s.const(NO_RESERVATION)
    delegated = s.mideleg
    if not interrupt:
        delegated = s.medeleg
        s.exceptions = s.exceptions + 1
    if s.priv <= SUPERVISOR and delegated.bit(cause & 63):
        return _enter_supervisor(s, cause, tval, interrupt)
    return _enter_machine(s, cause, tval, interrupt)


@sem
def _enter_machine(s: Hart, cause: Word, tval: Word, interrupt: bool) -> Word:
    """Priv. 3.1.6.1: MPIE = MIE, MIE = 0, MPP = the mode that was left."""
    status = s.mstatus
    kept = status & ~(STATUS_MIE | STATUS_MPIE | STATUS_MPP)
    s.mstatus = kept | ((status & STATUS_MIE) << 4) | (s.priv << 11)
    s.mcause = cause
    s.mepc = s.pc
    s.mtval = tval
    s.priv = s.const(MACHINE)
    return _vector(s, s.mtvec, cause, interrupt)


@sem
def _enter_supervisor(s: Hart, cause: Word, tval: Word, interrupt: bool) -> Word:
    """Priv. 4.1.1: SPIE = SIE, SIE = 0, SPP = the mode that was left."""
    status = s.mstatus
    kept = status & ~(STATUS_SIE | STATUS_SPIE | STATUS_SPP)
    s.mstatus = kept | ((status & STATUS_SIE) << 4) | (s.priv << 8)
    s.scause = cause
    s.sepc = s.pc
    s.stval = tval
    s.priv = s.const(SUPERVISOR)
    return _vector(s, s.stvec, cause, interrupt)


@sem
def _vector(s: Hart, tvec: Word, cause: Word, interrupt: bool) -> Word:
    """Mode 1 spreads interrupts, and only them, over BASE + 4 * cause. (Priv. 3.1.7, 4.1.2)"""
    target = tvec & ~3
    if interrupt:
        target = target + ((cause & 63) << 2 if tvec.bit(0) else s.const(0))
    return target


@outlined
def leave_machine(s: Hart) -> Word:
    """MRET's change of state; returns where to go on. (Priv. 3.1.6.1, 3.1.6.3)"""
    status = s.mstatus
    mode = (status & STATUS_MPP) >> 11
    kept = status & ~(STATUS_MIE | STATUS_MPP)
    if mode != MACHINE:
        kept = kept & ~STATUS_MPRV
    s.mstatus = kept | ((status & STATUS_MPIE) >> 4) | STATUS_MPIE | (USER << 11)
    s.priv = mode
    s.reservation = s.const(NO_RESERVATION)
    return s.mepc


@outlined
def leave_supervisor(s: Hart) -> Word:
    """SRET's change of state; returns where to go on. (Priv. 3.1.6.3, 4.1.1)"""
    status = s.mstatus
    kept = status & ~(STATUS_SIE | STATUS_SPP | STATUS_MPRV)
    s.mstatus = kept | ((status & STATUS_SPIE) >> 4) | STATUS_SPIE
    s.priv = (status & STATUS_SPP) >> 8
    s.reservation = s.const(NO_RESERVATION)
    return s.sepc
