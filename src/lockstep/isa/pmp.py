"""Physical memory protection: 16 entries, granule 4 bytes (Priv. 3.7)."""

from __future__ import annotations

from typing import Final

from lockstep.isa.privileged import MACHINE, Access
from lockstep.isa.sem import Hart, outlined, sem
from lockstep.isa.state import PMP_ENTRIES
from lockstep.isa.values import Word

# A configuration byte (figure 3.33): R, W, X in bits 0 to 2, the matching mode A, and the lock L.
_R_W: Final = 3
_W_WITHOUT_R: Final = 2
_TOR: Final = 1
_NA4: Final = 2
_LOCK: Final = 7
_WRITABLE: Final = 0x9F

ADDRESS_MASK: Final = (1 << 54) - 1  # pmpaddr holds bits 55..2 of an address (figure 3.32)


@sem
def pmp_check(
    s: Hart, addr: Word, size: Word | int, access: Access, priv: Word
) -> tuple[bool, bool]:
    """(whether the access is permitted, whether the same holds all over its 4 KiB page).

    `size` bytes at physical `addr` must not leave the page.
    """
    return decide(s, addr, addr + (size - 1), s.const(access.permission), priv)


@outlined
def decide(s: Hart, first: Word, last: Word, permission: Word, priv: Word) -> tuple[bool, bool]:
    """The lowest-numbered entry that matches any byte decides, and must match them all (3.7.1)."""
    if (s.pmpcfg0 | s.pmpcfg2) == 0:
        return priv == MACHINE, True
    page = first & ~0xFFF
    split = s.const(0)  # 1: an entry before the deciding one covers another part of the page
    for i in range(PMP_ENTRIES):
        config = _config(s, i)
        if (config & 0x18) != 0:
            low, high = _region(s, i, config)
            if low < high and first < high and last >= low:
                inside = first >= low and last < high
                granted = (config & permission) != 0
                unbound = priv == MACHINE and not config.bit(_LOCK)
                whole = page >= low and (page | 0xFFF) < high and split == 0
                return inside and (granted or unbound), whole
            if low < high and page < high and (page | 0xFFF) >= low:
                split = s.const(1)
    return priv == MACHINE, split == 0


@sem
def _config(s: Hart, i: int) -> Word:
    packed = s.pmpcfg0
    if i >= 8:
        packed = s.pmpcfg2
    return (packed >> (8 * (i % 8))) & 0xFF


@sem
def _region(s: Hart, i: int, config: Word) -> tuple[Word, Word]:
    """[low, high) of an entry that is not OFF. (3.7.1, table 3.11)"""
    here = s.pmpaddr[i]
    low = s.const(0)
    if i > 0:
        low = s.pmpaddr[i - 1] << 2
    high = here << 2
    mode = config.field(4, 3)
    if mode != _TOR:
        # NAPOT: the ones at the low end, and the zero above them, count the address bits that
        # do not matter. NA4 is the same with none.
        span = here ^ (here + 1) if mode != _NA4 else s.const(0)
        low = (here & ~span) << 2
        high = low + ((span + 1) << 2)
    return low, high


@sem
def pmp_locked(s: Hart, i: int) -> bool:
    """Whether pmpaddr[i] is locked: by its own entry, or as the base of a locked TOR (3.7.1)."""
    mine = _config(s, i).bit(_LOCK)
    if i + 1 < PMP_ENTRIES:
        above = _config(s, i + 1)
        return mine or (above.bit(_LOCK) and above.field(4, 3) == _TOR)
    return mine


@sem
def pmp_legal_config(s: Hart, old: Word, new: Word) -> Word:
    """What 8 configuration bytes become when `new` is written over `old`.

    A locked byte stays. W without R is reserved; it reads back as neither (3.7.1).
    """
    result = s.const(0)
    for at in range(0, 64, 8):
        byte = (new >> at) & _WRITABLE
        if (byte & _R_W) == _W_WITHOUT_R:
            byte = byte & ~_W_WITHOUT_R
        if old.bit(at + _LOCK):
            byte = (old >> at) & 0xFF
        result = result | (byte << at)
    return result
