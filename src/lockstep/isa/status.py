"""Views of the hart's status as registers: mstatus and sstatus, mie and sie, mip and sip."""

from __future__ import annotations

from typing import Final

from lockstep.isa.interrupts import pending
from lockstep.isa.privileged import (
    ENVCFG_STCE,
    SEIP,
    SSIP,
    STATUS_FS,
    STATUS_MIE,
    STATUS_MPIE,
    STATUS_MPP,
    STATUS_MPRV,
    STATUS_MXR,
    STATUS_SD,
    STATUS_SIE,
    STATUS_SPIE,
    STATUS_SPP,
    STATUS_SUM,
    STATUS_TSR,
    STATUS_TVM,
    STATUS_TW,
    STATUS_UXL,
    STIP,
)
from lockstep.isa.sem import Hart, sem
from lockstep.isa.values import Word

_SSTATUS_WRITABLE: Final = (
    STATUS_SIE | STATUS_SPIE | STATUS_SPP | STATUS_FS | STATUS_SUM | STATUS_MXR
)
_SSTATUS_VISIBLE: Final = _SSTATUS_WRITABLE | STATUS_UXL
_MSTATUS_WRITABLE: Final = (
    _SSTATUS_WRITABLE
    | STATUS_MIE
    | STATUS_MPIE
    | STATUS_MPP
    | STATUS_MPRV
    | STATUS_TVM
    | STATUS_TW
    | STATUS_TSR
)
_STATUS_OF_ACCESSES: Final = STATUS_MPRV | STATUS_MPP | STATUS_SUM | STATUS_MXR
_STATUS_ENABLES: Final = STATUS_SIE | STATUS_MIE

# Status (3.1.6, 4.1.1).


@sem
def _with_sd(s: Hart, status: Word) -> Word:
    """SD summarises FS; VS and XS do not exist (3.1.6.6)."""
    dirty = (s.mstatus & STATUS_FS) == STATUS_FS
    return status | (s.const(STATUS_SD) if dirty else s.const(0))


@sem
def read_mstatus(s: Hart, csr: Word) -> Word:
    return _with_sd(s, s.mstatus)


@sem
def write_mstatus(s: Hart, csr: Word, value: Word) -> None:
    if value.field(12, 11) == 2:
        value = (value & ~STATUS_MPP) | (s.mstatus & STATUS_MPP)
    _set_status(s, value, _MSTATUS_WRITABLE)


@sem
def read_sstatus(s: Hart, csr: Word) -> Word:
    return _with_sd(s, s.mstatus & _SSTATUS_VISIBLE)


@sem
def write_sstatus(s: Hart, csr: Word, value: Word) -> None:
    _set_status(s, value, _SSTATUS_WRITABLE)


@sem
def _set_status(s: Hart, value: Word, writable: int) -> None:
    """Resync only for what may change the next boundary: kernels toggle SIE all the time."""
    old = s.mstatus
    new = (old & ~writable) | (value & writable)
    s.mstatus = new
    if (((old ^ new) & _STATUS_OF_ACCESSES) | (new & ~old & _STATUS_ENABLES)) != 0:
        s.resync()


# Interrupts (3.1.9, 4.1.3).


@sem
def read_sie(s: Hart, csr: Word) -> Word:
    return s.mie & s.mideleg


@sem
def write_sie(s: Hart, csr: Word, value: Word) -> None:
    s.mie = (s.mie & ~s.mideleg) | (value & s.mideleg)
    s.resync()


@sem
def read_mip(s: Hart, csr: Word) -> Word:
    return pending(s)


@sem
def write_mip(s: Hart, csr: Word, value: Word) -> None:
    """SSIP, SEIP and, while it does not follow stimecmp, STIP; the others are the devices'."""
    soft = s.const(SEIP) if (s.menvcfg & ENVCFG_STCE) != 0 else s.const(SEIP | STIP)
    s.mip = (s.mip & ~SSIP) | (value & SSIP)
    s.mip_soft = (s.mip_soft & ~soft) | (value & soft)
    s.resync()


@sem
def read_sip(s: Hart, csr: Word) -> Word:
    return pending(s) & s.mideleg


@sem
def write_sip(s: Hart, csr: Word, value: Word) -> None:
    writable = s.mideleg & SSIP
    s.mip = (s.mip & ~writable) | (value & writable)
    s.resync()
