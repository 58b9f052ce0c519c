"""Fetching and decoding off the fast path, and what follows a trap (native engines only)."""

from __future__ import annotations

from lockstep.cpu.access import in_ram, locate
from lockstep.cpu.layout import (
    DECODED_PAGE_BYTES,
    ENTRY_BYTES,
    ENTRY_SHIFT,
    PAGE,
    REGION_LINES_OFFSET,
    SCRATCH_BYTES,
    SCRATCH_OFFSET,
)
from lockstep.cpu.native.tlb import (
    host_address,
    note_code,
    refresh_context,
)
from lockstep.cpu.vocabulary import NativeCluster, NativeHart
from lockstep.isa.interrupts import interrupt_to_take
from lockstep.isa.privileged import FETCH, ILLEGAL_INSTRUCTION, INSTRUCTION_ACCESS_FAULT
from lockstep.isa.sem import outlined
from lockstep.isa.traps import enter_trap
from lockstep.isa.values import Word


@outlined
def take_exception(s: NativeHart, entry: Word) -> Word:
    """Enter the trap that the hart's event describes; returns the handler's address."""
    tval = s.trap_tval
    if s.trap_cause == ILLEGAL_INSTRUCTION:
        tval = word_of(s, entry)
    return enter_trap(s, s.trap_cause, tval, False)


@outlined
def word_of(s: NativeHart, entry: Word) -> Word:
    """The instruction word that a decoded entry was made from (tval, Priv. 3.1.16)."""
    if entry - (s.address() + SCRATCH_OFFSET) < SCRATCH_BYTES:
        return s.scratch_word
    pool = entry - s.cluster.pool_host
    page = pool // DECODED_PAGE_BYTES
    offset = (pool % DECODED_PAGE_BYTES) >> ENTRY_SHIFT
    host = s.cluster.ram_host + page * PAGE + offset
    word = s.host_load(host, 2)
    if word & 3 == 3:
        word = word | s.host_load(host + 2, 2) << 16
    return word


@outlined
def resettle(s: NativeHart) -> None:
    """Privilege or interrupt state changed: take what is due, look with the right eyes."""
    cause = interrupt_to_take(s)
    if cause != 0:
        s.pc = enter_trap(s, cause, s.const(0), True)
    refresh_context(s)


@outlined
def entry_at_pc(s: NativeHart) -> Word:
    """The decoded entry of the instruction at pc; traps if it cannot be fetched."""
    paddr = locate(s, s.pc, s.const(2), FETCH)
    if not in_ram(s, paddr, 2):
        s.trap(INSTRUCTION_ACCESS_FAULT, s.pc)
    slot = s.fetch_slot(s.pc)
    if s.host_load(slot, 8) == s.pc & ~(PAGE - 1):
        return s.host_load(slot + 8, 8) + ((s.pc & (PAGE - 1)) << ENTRY_SHIFT)
    # Protection differs within the page: nothing of it may be cached.
    word = s.host_load(host_address(s, paddr), 2)
    if word & 3 == 3:
        word = word | _second_half(s) << 16
    return _scratch_entry(s, word)


@outlined
def _second_half(s: NativeHart) -> Word:
    """The upper halfword of the instruction at pc, which may lie on the next page."""
    address = s.pc + 2
    paddr = locate(s, address, s.const(2), FETCH)
    if not in_ram(s, paddr, 2):
        s.trap(INSTRUCTION_ACCESS_FAULT, address)
    return s.host_load(host_address(s, paddr), 2)


@outlined
def _scratch_entry(s: NativeHart, word: Word) -> Word:
    """Decode `word` into the hart's scratch page, which leads nowhere but through a lookup."""
    entry = s.address() + SCRATCH_OFFSET
    s.scratch_word = word
    s.decode(word, entry, s.const(1 << 40))  # an offset from which no target is near
    s.next_page_entry(entry + ENTRY_BYTES)
    s.next_page_entry(entry + 2 * ENTRY_BYTES)
    return entry


@outlined
def straddling_entry(s: NativeHart, low: Word) -> Word:
    """The entry of an instruction whose upper half is on the next page."""
    return _scratch_entry(s, low | _second_half(s) << 16)


@outlined
def word_at(s: NativeHart, entry: Word) -> Word:
    """Up to 32 bits of memory that a pool entry stands for; 16 at the end of a page."""
    pool = entry - s.cluster.pool_host
    page = pool // DECODED_PAGE_BYTES
    offset = (pool % DECODED_PAGE_BYTES) >> ENTRY_SHIFT
    host = s.cluster.ram_host + page * PAGE + offset
    word = s.host_load(host, 2)
    if offset < PAGE - 2:
        word = word | s.host_load(host + 2, 2) << 16
    return word


@outlined
def decode_entry(s: NativeHart, entry: Word) -> None:
    """Decode the instruction that a pool entry stands for."""
    pool = entry - s.cluster.pool_host
    offset = (pool % DECODED_PAGE_BYTES) >> ENTRY_SHIFT
    word = word_at(s, entry)
    note_code(s, s.cluster.ram_base + (pool // DECODED_PAGE_BYTES) * PAGE)
    if offset == PAGE - 2 and word & 3 == 3:
        s.straddle_entry(entry)
    else:
        s.decode(word if word & 3 == 3 else word & 0xFFFF, entry, offset)


@outlined
def install_region(c: NativeCluster, paddr: Word, code: Word, lines: Word) -> None:
    """From now on the region at host address `code` does the instruction at `paddr`.

    `lines` is a bit set: the lines of the page that the region was made from.

    Its entry is decoded all the same: where the region cannot do it, its handler will.
    """
    s = c.hart(c.const(0))
    page = (paddr - c.ram_base) // PAGE
    decoded = c.pool_host + page * DECODED_PAGE_BYTES
    entry = decoded + ((paddr & (PAGE - 1)) << ENTRY_SHIFT)
    decode_entry(s, entry)
    s.host_store(entry, 8, code)
    rested = decoded + REGION_LINES_OFFSET
    s.host_store(rested, 8, s.host_load(rested, 8) | lines)
