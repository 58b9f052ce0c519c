"""The control and status registers: one record each, and the functions that Zicsr calls.

An access is `check_csr`, then `csr_read`, then `csr_write`. Choices where the specification leaves
one (WARL): MPP keeps its value when 2 is written; a satp write with an unknown MODE is ignored, and
so is an mtvec or stvec write with a reserved MODE; ASID has 16 bits; misa is constant; the event
counters 3 to 31 and triggers are zero; mcountinhibit has CY and IR. There is no hypervisor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from lockstep.isa.counters import (
    counter_enabled,
    read_cycle,
    read_instret,
    read_time,
    write_countinhibit,
    write_cycle,
    write_instret,
)
from lockstep.isa.pmp import ADDRESS_MASK, pmp_legal_config, pmp_locked
from lockstep.isa.privileged import (
    ALL_INTERRUPTS,
    ENVCFG_ADUE,
    ENVCFG_STCE,
    ILLEGAL_INSTRUCTION,
    MACHINE,
    SEIP,
    STATUS_FS,
    STATUS_TVM,
    SUPERVISOR_INTERRUPTS,
)
from lockstep.isa.sem import Hart, outlined, sem
from lockstep.isa.state import NO_RESERVATION, PMP_ENTRIES, SVADU
from lockstep.isa.status import (
    read_mip,
    read_mstatus,
    read_sie,
    read_sip,
    read_sstatus,
    write_mip,
    write_mstatus,
    write_sie,
    write_sip,
    write_sstatus,
)
from lockstep.isa.values import Word

_MIP: Final = 0x344
_ALL: Final = (1 << 64) - 1
_LOW_32: Final = (1 << 32) - 1

# The exceptions that can happen below M: all but ECALL from M, and the reserved 10 and 14 (3.1.8).
_DELEGABLE: Final = 0xB3FF

# FIOM, CBIE, CBCFE, CBZE (3.1.18, 4.1.10); PBMTE is zero: it is not implemented.
_SENVCFG_WRITABLE: Final = 0xF1
_CBIE: Final = 3 << 4

_MISA: Final = (2 << 62) | sum(1 << ord(letter) - ord("A") for letter in "IMAFDCSU")


# Who may access: beyond the mode and read-only bits of the number (2.1).


@sem
def _anyone(s: Hart, csr: Word) -> bool:
    return True


@sem
def _fp_on(s: Hart, csr: Word) -> bool:
    return (s.mstatus & STATUS_FS) != 0


@sem
def _satp_open(s: Hart, csr: Word) -> bool:
    return s.priv == MACHINE or (s.mstatus & STATUS_TVM) == 0


@sem
def _stimecmp_open(s: Hart, csr: Word) -> bool:
    """Sstc 2.2: from S only if menvcfg.STCE and mcounteren.TM are set."""
    return s.priv == MACHINE or ((s.menvcfg & ENVCFG_STCE) != 0 and s.mcounteren.bit(1))


# Floating point (Unpriv. 11.2): fcsr is stored, fflags and frm are parts of it.


@sem
def _read_fflags(s: Hart, csr: Word) -> Word:
    return s.fcsr & 0x1F


@sem
def _write_fflags(s: Hart, csr: Word, value: Word) -> None:
    _write_fcsr(s, csr, (s.fcsr & ~0x1F) | (value & 0x1F))


@sem
def _read_frm(s: Hart, csr: Word) -> Word:
    return s.fcsr >> 5


@sem
def _write_frm(s: Hart, csr: Word, value: Word) -> None:
    _write_fcsr(s, csr, (s.fcsr & 0x1F) | ((value & 7) << 5))


@sem
def _write_fcsr(s: Hart, csr: Word, value: Word) -> None:
    s.fcsr = value & 0xFF
    s.mstatus = s.mstatus | STATUS_FS


# Vectors (3.1.7, 4.1.2), environment, timer, translation, protection.


@sem
def _write_mtvec(s: Hart, csr: Word, value: Word) -> None:
    if not value.bit(1):
        s.mtvec = value


@sem
def _write_stvec(s: Hart, csr: Word, value: Word) -> None:
    if not value.bit(1):
        s.stvec = value


@sem
def _legal_envcfg(s: Hart, value: Word, writable: Word) -> Word:
    """CBIE = 2 is reserved (CMO 3.3); it becomes 0: the instructions trap."""
    legal = value & writable
    return legal & ~_CBIE if (legal & _CBIE) == 2 << 4 else legal


@sem
def _write_menvcfg(s: Hart, csr: Word, value: Word) -> None:
    writable = s.const(_SENVCFG_WRITABLE | ENVCFG_STCE)
    if (s.features & SVADU) != 0:
        writable = writable | ENVCFG_ADUE
    s.menvcfg = _legal_envcfg(s, value, writable)
    s.timer_changed()


@sem
def _write_stimecmp(s: Hart, csr: Word, value: Word) -> None:
    s.stimecmp = value
    s.timer_changed()


@sem
def _write_senvcfg(s: Hart, csr: Word, value: Word) -> None:
    s.senvcfg = _legal_envcfg(s, value, s.const(_SENVCFG_WRITABLE))


@sem
def _write_satp(s: Hart, csr: Word, value: Word) -> None:
    """Priv. 4.1.11, 4.1.12: modes Bare, Sv39, Sv48, Sv57."""
    mode = value >> 60
    known = mode == 0 or (mode >= 8 and mode <= 10)
    if known and value != s.satp:
        s.satp = value
        # It names a virtual address, which may now be another place.
        s.reservation = s.const(NO_RESERVATION)
        s.flush_translations()
        s.resync()


@sem
def _write_pmpcfg0(s: Hart, csr: Word, value: Word) -> None:
    s.pmpcfg0 = pmp_legal_config(s, s.pmpcfg0, value)
    s.protection_changed()
    s.resync()


@sem
def _write_pmpcfg2(s: Hart, csr: Word, value: Word) -> None:
    s.pmpcfg2 = pmp_legal_config(s, s.pmpcfg2, value)
    s.protection_changed()
    s.resync()


@sem
def _read_pmpaddr(s: Hart, csr: Word) -> Word:
    value = s.const(0)
    for i in range(PMP_ENTRIES):
        value = s.pmpaddr[i] if (csr & 15) == i else value
    return value


@sem
def _write_pmpaddr(s: Hart, csr: Word, value: Word) -> None:
    for i in range(PMP_ENTRIES):
        if (csr & 15) == i and not pmp_locked(s, i):
            s.pmpaddr[i] = value & ADDRESS_MASK
    s.protection_changed()
    s.resync()


@dataclass(frozen=True)
class Csr:
    """One register, or `count` alike at consecutive numbers.

    Its value is that of the hart field `field`, or what `read` computes, or `constant`. Writing
    stores the `writable` bits into the field, or calls `write`, or does nothing.
    """

    number: int  # bits 11..10: 3 is read-only; bits 9..8: the least mode that may access
    name: str
    field: str = ""
    writable: int = 0
    resync: bool = False
    constant: int = 0
    read: Callable[..., Word] | None = None
    write: Callable[..., None] | None = None
    gate: Callable[..., bool] = _anyone
    count: int = 1


def _stored(number: int, name: str, writable: int = _ALL, *, resync: bool = False) -> Csr:
    return Csr(number, name, field=name, writable=writable, resync=resync)


def _zero(number: int, name: str, count: int = 1) -> Csr:
    return Csr(number, name, count=count)


# What is used most comes first, for the reference engine's sake.
CSRS: Final[tuple[Csr, ...]] = (
    Csr(0x100, "sstatus", read=read_sstatus, write=write_sstatus),
    Csr(0x104, "sie", read=read_sie, write=write_sie),
    Csr(0x105, "stvec", field="stvec", write=_write_stvec),
    _stored(0x106, "scounteren", _LOW_32),
    Csr(0x10A, "senvcfg", field="senvcfg", write=_write_senvcfg),
    _stored(0x140, "sscratch"),
    _stored(0x141, "sepc", _ALL - 1),
    _stored(0x142, "scause"),
    _stored(0x143, "stval"),
    Csr(0x144, "sip", read=read_sip, write=write_sip),
    Csr(0x14D, "stimecmp", field="stimecmp", write=_write_stimecmp, gate=_stimecmp_open),
    Csr(0x180, "satp", field="satp", write=_write_satp, gate=_satp_open),
    Csr(0x001, "fflags", read=_read_fflags, write=_write_fflags, gate=_fp_on),
    Csr(0x002, "frm", read=_read_frm, write=_write_frm, gate=_fp_on),
    Csr(0x003, "fcsr", field="fcsr", write=_write_fcsr, gate=_fp_on),
    Csr(0xC00, "cycle", read=read_cycle, gate=counter_enabled),
    Csr(0xC01, "time", read=read_time, gate=counter_enabled),
    Csr(0xC02, "instret", read=read_instret, gate=counter_enabled),
    Csr(0xC03, "hpmcounter", gate=counter_enabled, count=29),
    Csr(0x300, "mstatus", read=read_mstatus, write=write_mstatus),
    Csr(0x301, "misa", constant=_MISA),
    _stored(0x302, "medeleg", _DELEGABLE),
    _stored(0x303, "mideleg", SUPERVISOR_INTERRUPTS, resync=True),
    _stored(0x304, "mie", ALL_INTERRUPTS, resync=True),
    Csr(0x305, "mtvec", field="mtvec", write=_write_mtvec),
    _stored(0x306, "mcounteren", _LOW_32),
    Csr(0x30A, "menvcfg", field="menvcfg", write=_write_menvcfg),
    Csr(0x320, "mcountinhibit", field="mcountinhibit", write=write_countinhibit),
    _zero(0x323, "mhpmevent", count=29),
    _stored(0x340, "mscratch"),
    _stored(0x341, "mepc", _ALL - 1),
    _stored(0x342, "mcause"),
    _stored(0x343, "mtval"),
    Csr(_MIP, "mip", read=read_mip, write=write_mip),
    Csr(0x3A0, "pmpcfg0", field="pmpcfg0", write=_write_pmpcfg0),
    Csr(0x3A2, "pmpcfg2", field="pmpcfg2", write=_write_pmpcfg2),
    Csr(0x3B0, "pmpaddr", read=_read_pmpaddr, write=_write_pmpaddr, count=PMP_ENTRIES),
    Csr(0xB00, "mcycle", read=read_cycle, write=write_cycle),
    Csr(0xB02, "minstret", read=read_instret, write=write_instret),
    _zero(0xB03, "mhpmcounter", count=29),
    # Debug specification 5.2: no trigger exists if tselect keeps 0 and tdata1 is 0.
    _zero(0x7A0, "tselect"),
    _zero(0x7A1, "tdata", count=3),
    _zero(0xF11, "mvendorid"),
    _zero(0xF12, "marchid"),
    _zero(0xF13, "mimpid"),
    Csr(0xF14, "mhartid", field="hartid"),
    _zero(0xF15, "mconfigptr"),
)

_FIRST_INDEX: Final = {"hpmcounter": 3, "mhpmevent": 3, "mhpmcounter": 3, "pmpaddr": 0, "tdata": 1}


def _names() -> dict[int, str]:
    found = {}
    for one in CSRS:
        for offset in range(one.count):
            index = str(_FIRST_INDEX[one.name] + offset) if one.count > 1 else ""
            found[one.number + offset] = one.name + index
    return found


CSR_NAMES: Final[dict[int, str]] = _names()
CSR_NUMBERS: Final[dict[str, int]] = {name: number for number, name in CSR_NAMES.items()}


@sem
def check_csr(s: Hart, csr: Word, writing: bool) -> None:
    """Trap unless the current mode may access `csr` in this way."""
    if not _permitted(s, csr, writing):
        s.trap(ILLEGAL_INSTRUCTION, s.insn_word())


@outlined
def _permitted(s: Hart, csr: Word, writing: bool) -> bool:
    """Priv. 2.1: it exists, the mode reaches it, it is not read-only if written."""
    if s.priv < csr.field(9, 8):
        return False
    if writing and csr.field(11, 10) == 3:
        return False
    for one in CSRS:
        if csr - one.number < one.count:
            return one.gate(s, csr)
    return False


@outlined
def csr_read(s: Hart, csr: Word) -> Word:
    """The value of a register that `check_csr` has passed."""
    for one in CSRS:
        if csr - one.number < one.count:
            if one.read is not None:
                return one.read(s, csr)
            return _plain(s, one)
    return s.const(0)


@sem
def _plain(s: Hart, one: Csr) -> Word:
    if one.field:
        value: Word = getattr(s, one.field)
        return value
    return s.const(one.constant)


@sem
def csr_to_modify(s: Hart, csr: Word, value: Word) -> Word:
    """What CSRRS and CSRRC set or clear bits of, `value` being what they read.

    They differ for mip: the external interrupt line does not enter the new SEIP (3.1.9).
    """
    return (value & ~SEIP) | (s.mip_soft & SEIP) if csr == _MIP else value


@outlined
def csr_write(s: Hart, csr: Word, value: Word) -> None:
    """Write a register that `check_csr` has passed for writing."""
    for one in CSRS:
        if csr - one.number < one.count:
            _write(s, one, csr, value)
            return


@sem
def _write(s: Hart, one: Csr, csr: Word, value: Word) -> None:
    if one.write is not None:
        one.write(s, csr, value)
    elif one.field:
        setattr(s, one.field, value & one.writable)
        if one.resync:
            s.resync()
