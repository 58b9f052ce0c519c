"""Address translation: Sv39, Sv48 and Sv57 walks, and what an access is allowed to do.

Nothing here traps or remembers. An engine asks `translate`, and traps or caches as told. Cached
answers hold until s.resync() or s.flush_translations(), or until memory that was named by
s.note_page_table() changes: translations are always as if page tables were read each time.
"""

from __future__ import annotations

from typing import Final

from lockstep.isa.pmp import pmp_check
from lockstep.isa.privileged import (
    ENVCFG_ADUE,
    FETCH,
    LOAD,
    MACHINE,
    STATUS_MPP,
    STATUS_MPRV,
    STATUS_MXR,
    STATUS_SUM,
    STORE,
    SUPERVISOR,
    USER,
    Access,
)
from lockstep.isa.sem import Hart, outlined, sem
from lockstep.isa.values import Word

# Page-table entries (Priv. 4.4.1).
_V: Final = 1 << 0
_R: Final = 1 << 1
_W: Final = 1 << 2
_X: Final = 1 << 3
_U: Final = 1 << 4
_A: Final = 1 << 6
_D: Final = 1 << 7
# Reserved, and N and PBMT, whose extensions (Svnapot, Svpbmt) are not implemented.
_RESERVED: Final = 0x3FF << 54
_PPN_MASK: Final = (1 << 44) - 1


@sem
def effective_priv(s: Hart) -> Word:
    """The mode that loads and stores act with: MPP's while mstatus.MPRV is set. (Priv. 3.1.6.3)"""
    borrowed = (s.mstatus & STATUS_MPP) >> 11
    return borrowed if (s.mstatus & STATUS_MPRV) != 0 else s.priv


@outlined
def translate(s: Hart, vaddr: Word, size: Word | int, access: Access) -> tuple[Word, Word, bool]:
    """(physical address, cause, cacheable) of `size` bytes at `vaddr`, within one page.

    cause is 0 or the exception to raise with tval `vaddr`. cacheable says that the answer, PMP
    included, holds for every access of this kind to the same 4 KiB page.
    """
    priv = s.priv
    if access is not FETCH:
        priv = effective_priv(s)
    paddr = vaddr
    cause = s.const(0)
    if priv != MACHINE and (s.satp >> 60) != 0:
        paddr, cause = walk(s, vaddr, access, priv)
    if cause != 0:
        return paddr, cause, cause == 0
    permitted, whole_page = pmp_check(s, paddr, size, access, priv)
    if not permitted:
        cause = s.const(access.access_fault)
    return paddr, cause, whole_page


@outlined
def walk(s: Hart, vaddr: Word, access: Access, priv: Word) -> tuple[Word, Word]:
    """(physical address, cause or 0): the algorithm of Priv. 4.3.2, for satp.MODE 8, 9 and 10."""
    page_fault = s.const(access.page_fault)
    access_fault = s.const(access.access_fault)
    shift = (s.satp >> 60) * 9 - 42  # of the top index: 30, 39, 48
    unused = 55 - shift  # bits above the virtual address, which must repeat its top bit
    if (vaddr << unused).sra(unused) != vaddr:
        return vaddr, page_fault
    table = (s.satp & _PPN_MASK) << 12
    while shift >= 12:
        address = table + (((vaddr >> shift) & 0x1FF) << 3)
        # 3.7.2: implicit accesses are checked as S-mode's, and fail as the original access.
        permitted, _ = pmp_check(s, address, 8, LOAD, s.const(SUPERVISOR))
        if not permitted:
            return vaddr, access_fault
        pte, is_memory = s.phys_load(address, 8)
        if not is_memory:
            return vaddr, access_fault
        if (pte & _V) == 0 or (pte & (_R | _W)) == _W or (pte & _RESERVED) != 0:
            return vaddr, page_fault
        s.note_page_table(address)
        table = ((pte >> 10) & _PPN_MASK) << 12
        if (pte & (_R | _W | _X)) != 0:
            offset = (s.const(1) << shift) - 1
            # The low part of a superpage's frame number must be zero (4.3.2 step 6).
            if (table & offset) != 0 or not _allowed(s, pte, access, priv):
                return vaddr, page_fault
            return table | (vaddr & offset), _mark(s, address, pte, access)
        if (pte & (_D | _A | _U)) != 0:  # reserved where the entry points to a table (4.4.1)
            return vaddr, page_fault
        shift = shift - 9
    return vaddr, page_fault


@sem
def _allowed(s: Hart, pte: Word, access: Access, priv: Word) -> bool:
    """Step 5 of Priv. 4.3.2."""
    needed = s.const(access.permission << 1)
    readable = pte
    if access is LOAD and (s.mstatus & STATUS_MXR) != 0:
        readable = pte | ((pte & _X) >> 2)
    user_page = (pte & _U) != 0
    open_to_supervisor = not user_page
    if access is not FETCH:
        open_to_supervisor = not user_page or (s.mstatus & STATUS_SUM) != 0
    mode_fits = user_page if priv == USER else open_to_supervisor
    return mode_fits and (readable & needed) == needed


@outlined
def _mark(s: Hart, address: Word, pte: Word, access: Access) -> Word:
    """Step 7 of Priv. 4.3.2: 0 once A and, for a store, D are set in the leaf `pte` at `address`.

    Else the exception: a page fault where software sets them (Svade, or menvcfg.ADUE is clear).
    Harts take turns between instructions, so that compare and set are atomic as they stand.
    """
    marked = pte | _A
    if access is STORE:
        marked = marked | _D
    cause = s.const(0)
    if marked != pte:
        permitted, _ = pmp_check(s, address, 8, STORE, s.const(SUPERVISOR))
        if (s.menvcfg & ENVCFG_ADUE) == 0:
            cause = s.const(access.page_fault)
        elif not permitted:
            cause = s.const(access.access_fault)
        else:
            s.update_pte(address, marked)
    return cause
