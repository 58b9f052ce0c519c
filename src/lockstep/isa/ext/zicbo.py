"""Zicbom and Zicboz: cache blocks of 64 bytes (Base Cache Management Operations, CMO, 1.0).

There is no cache, so management has only its permission checks; zeroing really stores zeros.
"""

from __future__ import annotations

from typing import Final

from lockstep.isa.mmu import translate
from lockstep.isa.privileged import (
    ILLEGAL_INSTRUCTION,
    LOAD,
    LOAD_ACCESS_FAULT,
    MACHINE,
    STORE,
    STORE_ACCESS_FAULT,
    STORE_PAGE_FAULT,
    USER,
)
from lockstep.isa.sem import Hart, sem
from lockstep.isa.state import VACANCY
from lockstep.isa.table import insn
from lockstep.isa.values import Word

BLOCK: Final = 64

# Fields of menvcfg and senvcfg (Priv. 3.1.18): who may use which of these instructions.
_CBIE: Final = 3 << 4
_CBCFE: Final = 1 << 6
_CBZE: Final = 1 << 7


@sem
def _require(s: Hart, enable: int) -> None:
    """Illegal instruction unless menvcfg (below M) and senvcfg (in U) grant `enable`."""
    by_machine = s.priv == MACHINE or (s.menvcfg & enable) != 0
    by_supervisor = s.priv != USER or (s.senvcfg & enable) != 0
    if not (by_machine and by_supervisor):
        s.trap(ILLEGAL_INSTRUCTION, s.insn_word())


@sem
def _manage(s: Hart, addr: Word) -> None:
    """Trap unless the block may be loaded from or stored to; the faults are a store's. (CMO 2.5.2)

    Where nothing may be loaded nothing may be stored, be it by a PTE (Priv. 4.3.1) or by PMP
    (3.7.1): a load stands for both. It sets A, as these instructions do, and not D. Where nothing
    is, neither is permitted (PMA, Priv. 3.6).
    """
    paddr, cause, _ = translate(s, addr & ~(BLOCK - 1), s.const(BLOCK), LOAD)
    if cause != 0:
        denied = cause == LOAD_ACCESS_FAULT
        s.trap(s.const(STORE_ACCESS_FAULT) if denied else STORE_PAGE_FAULT, addr)
    if (s.features & VACANCY) != 0:
        s.require_block(paddr, addr, BLOCK)


@insn("000000000000 rs1 010 00000 0001111", ext="Zicbom", asm="(rs1)")
def cbo_inval(s: Hart, rs1: int) -> None:
    """Forget the block: memory already is the only copy."""
    _require(s, _CBIE)
    _manage(s, s.x[rs1])


@insn("000000000001 rs1 010 00000 0001111", ext="Zicbom", asm="(rs1)")
def cbo_clean(s: Hart, rs1: int) -> None:
    """Write the block back: memory already is the only copy."""
    _require(s, _CBCFE)
    _manage(s, s.x[rs1])


@insn("000000000010 rs1 010 00000 0001111", ext="Zicbom", asm="(rs1)")
def cbo_flush(s: Hart, rs1: int) -> None:
    """Write the block back and forget it: memory already is the only copy."""
    _require(s, _CBCFE)
    _manage(s, s.x[rs1])


@insn("000000000100 rs1 010 00000 0001111", ext="Zicboz", asm="(rs1)")
def cbo_zero(s: Hart, rs1: int) -> None:
    """Store zeros to the naturally aligned block that rs1 points into."""
    _require(s, _CBZE)
    block = s.x[rs1] & ~(BLOCK - 1)
    # A fault must report rs1 itself, not the start of the block (CMO 2.5.2), and nothing is stored
    # if PMP denies a part. Then asked for as an atomic asks: a device, to which one instruction can
    # make no more than one access, refuses.
    _, cause, _ = translate(s, block, s.const(BLOCK), STORE)
    if cause != 0:
        s.trap(cause, s.x[rs1])
    s.load_amo(s.x[rs1], 1)
    for offset in range(0, BLOCK, 8):
        s.store(block + offset, 8, s.const(0))
