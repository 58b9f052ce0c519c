"""Cached translations and decoded pages, kept coherent with memory (native engines only).

A translation is cached per privilege context, so that a mode switch is a change of pointer. What a
cached entry rests on is flagged by page: page tables (TABLE) and decoded code (CODE) are never
writable through the fast path, so every store to them comes by here and the caches follow memory.
The law needs that: what is cached must never show.
"""

from __future__ import annotations

from typing import Final

from lockstep.cpu.layout import (
    CODE,
    DECODED_PAGE_BYTES,
    DIRTY,
    ENTRY_BYTES,
    ENTRY_SHIFT,
    FETCH_CONTEXT_BYTES,
    FETCH_CONTEXTS,
    FETCH_ENTRIES,
    FETCH_ENTRY_BYTES,
    FETCH_OFFSET,
    HEAT_LINE,
    PAGE,
    PMP_MEMO_ENTRIES,
    PMP_MEMO_ENTRY_BYTES,
    PMP_MEMO_OFFSET,
    READY_OFFSET,
    REGION_LINES_OFFSET,
    RESETS_OFFSET,
    SLOW,
    STAMP_OFFSET,
    TABLE,
    TLB_CONTEXT_BYTES,
    TLB_CONTEXTS,
    TLB_ENTRIES,
    TLB_ENTRY_BYTES,
    TLB_LIST_OFFSET,
    TLB_LISTED,
    TLB_OFFSET,
    WRITABLE,
)
from lockstep.cpu.native.heat import cool
from lockstep.cpu.vocabulary import NativeCluster, NativeHart
from lockstep.isa.mmu import effective_priv
from lockstep.isa.privileged import FETCH, MACHINE, STORE, SUPERVISOR, Access
from lockstep.isa.sem import outlined, sem
from lockstep.isa.values import Word

EMPTY: Final = (1 << 64) - 1  # no page has this tag
WHOLE_RESETS: Final = 16  # after that many, a store forgets only the instructions it touches
_LINE_SHIFT: Final = HEAT_LINE.bit_length() - 1
_FETCH_USED: Final = 16  # contexts_used: bits 0..7 data contexts, from here on fetch contexts


@sem
def refresh_context(s: NativeHart) -> None:
    """Point at the tables of the current privilege and of the effective one for data."""
    priv = effective_priv(s)
    rights = (s.mstatus >> 18) & 3  # SUM, MXR
    context = rights >> 1  # U: MXR alone counts
    if priv == SUPERVISOR:
        context = s.const(2) + rights
    if priv == MACHINE:
        context = s.const(6)
    s.data_table = s.address() + TLB_OFFSET + context * TLB_CONTEXT_BYTES
    s.fetch_table = s.address() + FETCH_OFFSET + s.priv * FETCH_CONTEXT_BYTES


@sem
def page_flags(s: NativeHart, paddr: Word) -> Word:
    return s.cluster.flags_host + ((paddr - s.cluster.ram_base) >> 12)


@sem
def _decoded_page(s: NativeHart, paddr: Word) -> Word:
    number = (paddr - s.cluster.ram_base) >> 12
    return s.cluster.pool_host + number * DECODED_PAGE_BYTES


@sem
def host_address(s: NativeHart, paddr: Word) -> Word:
    return s.cluster.ram_host + (paddr - s.cluster.ram_base)


@outlined
def remember(s: NativeHart, vaddr: Word, paddr: Word, access: Access) -> None:
    """Cache the translation of vaddr's page for the current context."""
    page = vaddr & ~(PAGE - 1)
    if access is FETCH:
        _remember_fetch(s, page, paddr)
    else:
        _remember_data(s, page, paddr & ~(PAGE - 1), access)


@sem
def _remember_fetch(s: NativeHart, page: Word, paddr: Word) -> None:
    decoded = _decoded_page(s, paddr)
    if s.host_load(decoded + READY_OFFSET, 8) == 0:
        s.clear_decoded(decoded)
        s.host_store(decoded + READY_OFFSET, 8, s.const(1))
    entry = s.fetch_table + ((page >> 12) & (FETCH_ENTRIES - 1)) * FETCH_ENTRY_BYTES
    s.host_store(entry, 8, page)
    s.host_store(entry + 8, 8, decoded)
    s.contexts_used = s.contexts_used | (s.const(1) << (s.priv + _FETCH_USED))


@sem
def _remember_data(s: NativeHart, page: Word, frame: Word, access: Access) -> None:
    table = s.data_table
    entry = table + ((page >> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY_BYTES
    if s.host_load(entry, 8) & s.host_load(entry + 8, 8) == EMPTY:
        _list(s, entry)
    if s.host_load(entry, 8) != page:
        s.host_store(entry, 8, s.const(EMPTY))
    if s.host_load(entry + 8, 8) != page:
        s.host_store(entry + 8, 8, s.const(EMPTY))
    s.host_store(entry + 16, 8, host_address(s, frame) - page)
    if access is STORE:
        flags = page_flags(s, frame)
        now = s.host_load(flags, 1)
        if now & SLOW == 0:
            s.host_store(flags, 1, now | DIRTY | WRITABLE)
            s.host_store(entry + 8, 8, page)
    else:
        s.host_store(entry, 8, page)
    context = (table - s.address() - TLB_OFFSET) // TLB_CONTEXT_BYTES
    s.contexts_used = s.contexts_used | (s.const(1) << context)


@sem
def _list(s: NativeHart, entry: Word) -> None:
    """A data entry is no longer empty: a flush will have to find it."""
    if s.entries_filled < TLB_LISTED:
        s.host_store(s.address() + TLB_LIST_OFFSET + (s.entries_filled << 3), 8, entry)
    s.entries_filled = s.entries_filled + 1


@outlined
def decide_memoised(
    s: NativeHart, first: Word, last: Word, permission: Word, priv: Word
) -> tuple[bool, bool]:
    """isa/pmp.decide, with answers that hold for a whole page remembered until PMP changes."""
    page = first & ~(PAGE - 1)
    slot = s.address() + PMP_MEMO_OFFSET
    slot = slot + ((page >> 12) & (PMP_MEMO_ENTRIES - 1)) * PMP_MEMO_ENTRY_BYTES
    key = page | permission | (priv << 3)
    if s.host_load(slot, 8) == key:
        return s.host_load(slot + 8, 8) != 0, True
    permitted, whole_page = s.decide_anew(first, last, permission, priv)
    if whole_page:
        s.host_store(slot, 8, key)
        s.host_store(slot + 8, 8, s.const(1) if permitted else s.const(0))
    return permitted, whole_page


@outlined
def forget_permissions(s: NativeHart) -> None:
    """PMP changed."""
    s.host_fill(s.address() + PMP_MEMO_OFFSET, PMP_MEMO_ENTRIES * PMP_MEMO_ENTRY_BYTES)


@outlined
def flush(s: NativeHart) -> None:
    """Drop every cached translation of this hart. Few are dropped one by one, many as a whole."""
    if s.entries_filled > TLB_LISTED:
        for context in range(TLB_CONTEXTS):
            if s.contexts_used.bit(context):
                start = s.address() + TLB_OFFSET + context * TLB_CONTEXT_BYTES
                s.host_fill(start, TLB_CONTEXT_BYTES)
    else:
        index = s.const(0)
        while index < s.entries_filled:
            entry = s.host_load(s.address() + TLB_LIST_OFFSET + (index << 3), 8)
            s.host_store(entry, 8, s.const(EMPTY))
            s.host_store(entry + 8, 8, s.const(EMPTY))
            index = index + 1
    s.entries_filled = s.const(0)
    for context in range(FETCH_CONTEXTS):
        if s.contexts_used.bit(_FETCH_USED + context):
            start = s.address() + FETCH_OFFSET + context * FETCH_CONTEXT_BYTES
            s.host_fill(start, FETCH_CONTEXT_BYTES)
    s.contexts_used = s.const(0)


@outlined
def flush_all(c: NativeCluster) -> None:
    """Drop every cached translation of every hart, and with them what they rested on."""
    number = c.const(0)
    while number < c.harts:
        flush(c.hart(number))
        number = number + 1
    index = c.const(0)
    while index < c.table_pages:
        flags = c.flags_host + c.host_load(c.table_list + (index << 3), 8)
        c.host_store(flags, 1, c.host_load(flags, 1) & (0xFF ^ TABLE))
        index = index + 1
    c.table_pages = c.const(0)


@outlined
def forget_all(c: NativeCluster) -> None:
    """Drop everything cached that state outside memory stands behind: it may have been replaced."""
    flush_all(c)
    number = c.const(0)
    while number < c.harts:
        forget_permissions(c.hart(number))
        number = number + 1


@outlined
def note_page_table(s: NativeHart, paddr: Word) -> None:
    """A translation about to be cached rests on the page table at `paddr`."""
    flags = page_flags(s, paddr)
    now = s.host_load(flags, 1)
    if now & TABLE == 0:
        s.host_store(flags, 1, now | TABLE)
        at = s.cluster.table_list + (s.cluster.table_pages << 3)
        s.host_store(at, 8, (paddr - s.cluster.ram_base) >> 12)
        s.cluster.table_pages = s.cluster.table_pages + 1
        if now & WRITABLE != 0:
            forbid_writes(s.cluster, paddr)


@outlined
def forbid_writes(c: NativeCluster, paddr: Word) -> None:
    """Remove every write entry that maps paddr's page, in all harts."""
    frame = c.ram_host + ((paddr - c.ram_base) & ~(PAGE - 1))
    number = c.const(0)
    while number < c.harts:
        h = c.hart(number)
        for context in range(TLB_CONTEXTS):
            if h.contexts_used.bit(context):
                entry = h.address() + TLB_OFFSET + context * TLB_CONTEXT_BYTES
                end = entry + TLB_CONTEXT_BYTES
                while entry < end:
                    if c.host_load(entry + 8, 8) + c.host_load(entry + 16, 8) == frame:
                        c.host_store(entry + 8, 8, c.const(EMPTY))
                    entry = entry + TLB_ENTRY_BYTES
        number = number + 1
    flags = c.flags_host + ((paddr - c.ram_base) >> 12)
    c.host_store(flags, 1, c.host_load(flags, 1) & (0xFF ^ WRITABLE))


@outlined
def note_code(s: NativeHart, paddr: Word) -> None:
    """An instruction of paddr's page is about to be decoded."""
    flags = page_flags(s, paddr)
    now = s.host_load(flags, 1)
    if now & CODE == 0:
        s.host_store(flags, 1, now | CODE)
        if now & WRITABLE != 0:
            forbid_writes(s.cluster, paddr)


@outlined
def before_store(s: NativeHart, paddr: Word, size: Word, maps: bool) -> None:
    """Main memory at `paddr` is about to change (`size` <= 8, within its page).

    `maps`: what page tables that lie there allow may change, too.
    """
    flags = page_flags(s, paddr)
    now = s.host_load(flags, 1)
    if maps and now & TABLE != 0:
        host = host_address(s, paddr)
        first = s.host_load(host & ~7, 8)
        last = s.host_load((host + (size - 1)) & ~7, 8)
        # Only valid entries are ever cached, so that a new mapping disturbs nobody.
        if (first | last) & 1 != 0:
            _look_up_next(s)
            flush_all(s.cluster)
    if now & CODE != 0:
        forget_code(s, paddr, size)
    s.host_store(flags, 1, s.host_load(flags, 1) | DIRTY)


@sem
def _look_up_next(s: NativeHart) -> None:
    """Translate the address of the next instruction anew: its own page may be what changes."""
    slot = s.fetch_slot(s.pc)
    offset = s.pc & (PAGE - 1)
    if s.host_load(slot, 8) == s.pc - offset:
        entry = s.host_load(slot + 8, 8) + (offset << ENTRY_SHIFT)
        for ahead in (2, 4):  # behind the end of the page a lookup comes anyway
            if offset + ahead < PAGE:
                s.refetch_entry(entry + (ahead << ENTRY_SHIFT))


@outlined
def before_host_write(c: NativeCluster, paddr: Word, size: Word) -> None:
    """The host is about to write `size` bytes of main memory, any number of pages."""
    s = c.hart(c.const(0))
    page = paddr & ~(PAGE - 1)
    while page < paddr + size:
        flags = page_flags(s, page)
        now = s.host_load(flags, 1)
        if now & TABLE != 0:
            flush_all(c)
        if now & CODE != 0:
            s.clear_decoded(_decoded_page(s, page))
            s.host_store(_decoded_page(s, page) + REGION_LINES_OFFSET, 8, s.const(0))
            s.host_store(_decoded_page(s, page) + STAMP_OFFSET, 8, s.const(0))
            cool(s, page)
        s.host_store(flags, 1, (s.host_load(flags, 1) | DIRTY) & (0xFF ^ CODE))
        page = page + PAGE


@outlined
def forget_code(s: NativeHart, paddr: Word, size: Word) -> None:
    """Decoded instructions that overlap the bytes are decoded anew when next reached."""
    decoded = _decoded_page(s, paddr)
    s.host_store(decoded + STAMP_OFFSET, 8, s.const(0))
    resets = s.host_load(decoded + RESETS_OFFSET, 8)
    flags = page_flags(s, paddr)
    lines = s.host_load(decoded + REGION_LINES_OFFSET, 8)
    line = (paddr & (PAGE - 1)) >> _LINE_SHIFT
    end_line = ((paddr & (PAGE - 1)) + size - 1) >> _LINE_SHIFT
    if resets < WHOLE_RESETS or lines.bit(line) or lines.bit(end_line):
        s.host_store(decoded + RESETS_OFFSET, 8, resets + 1)
        s.host_store(decoded + REGION_LINES_OFFSET, 8, s.const(0))
        s.clear_decoded(decoded)
        s.host_store(flags, 1, s.host_load(flags, 1) & (0xFF ^ CODE))
        cool(s, paddr)
    else:
        offset = paddr & (PAGE - 1)
        # A 32-bit instruction may start one halfword before.
        first = offset >> 1
        if first != 0:
            first = first - 1
        last = (offset + size - 1) >> 1
        while first <= last:
            s.clear_entry(decoded + first * ENTRY_BYTES)
            first = first + 1
