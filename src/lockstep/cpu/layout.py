"""Where every field of the harts lies in memory: the one layout that Python and native code share.

The block starts with the cluster (what all harts have in common), then one block per hart. All
fields are 64-bit, little-endian. What is architectural is listed in isa/state; what is below it
here is the engines' own and may be dropped at any instant.
"""

from __future__ import annotations

from typing import Final

from lockstep.isa.state import HART_FIELDS, PMP_ENTRIES

X_SLOTS: Final = 33  # x0 is read from slot 0 and written to slot 32
DROPPED: Final = 32

TLB_ENTRIES: Final = 4096
TLB_ENTRY_BYTES: Final = 32  # read tag, write tag, host address minus virtual address, unused
TLB_CONTEXTS: Final = 8  # see native/tlb.py
TLB_LISTED: Final = 1024  # entries filled since the last flush that are remembered one by one
FETCH_ENTRIES: Final = 256
FETCH_ENTRY_BYTES: Final = 16  # tag, address of the page's decoded entries
FETCH_CONTEXTS: Final = 4  # by privilege

CLUSTER_FIELDS: Final[dict[str, str]] = {
    "icount": "global instruction count",
    "until": "end of the period being run",
    "stop": "1: another thread wants the period to end",
    "current": "number of the hart that runs",
    "quantum_left": "instructions until the next hart's turn",
    "quantum": "instructions in a turn",
    "harts": "how many there are",
    "shift": "virtual nanoseconds per instruction, as a power of two",
    "warp": "virtual nanoseconds added while idle",
    "time_offset": "ticks added to mtime by software",
    "mmio_state": "device access: 0 none, 1 requested, 2 done, 3 faulted",
    "mmio_kind": "0 load, 1 store, 2 is anything there?, 3 a store to what is watched",
    "mmio_addr": "physical address",
    "mmio_size": "bytes",
    "mmio_value": "value stored or loaded",
    "mtime_at": "physical address of the register that holds the time, or NOWHERE",
    "known_at": "physical address of a device register that need not be asked, or NOWHERE",
    "known_size": "bytes of it",
    "known_value": "what it would say",
    "ram_base": "physical address of main memory",
    "ram_size": "bytes of main memory",
    "watched": "physical address of 8 bytes whose stores the bus is told of, or NOWHERE",
    "ram_host": "host address of main memory",
    "flags_host": "host address of the page flags, a byte a page",
    "pool_host": "host address of the decoded pages",
    "table_pages": "how many pages hold page tables that translations depend on",
    "table_list": "host address of the list of those pages, with room for every page",
    "budget": "instructions the scheduler granted",
    "slice": "most instructions between two looks at `stop`",
    "attention": "1: the engine has something to do in Python, between two slices",
    "heat_host": "host address of the pages' heat",
    "heat_least": "samples after which a page is hot",
    "hot_page": "number of a hot page plus one, or 0",
}

PRIVATE_FIELDS: Final[dict[str, str]] = {
    "cluster": "host address of the cluster block",
    "features": "what it has, as isa/state names them (constant)",
    "limit": "global instruction count at which the budget is used up",
    "left": "budget left when native code last wrote it down",
    "event": "0 none, 1 trap, 2 leave native code",
    "trap_cause": "of event 1",
    "trap_tval": "of event 1",
    "resync_due": "1: privilege, translation or interrupt state changed",
    "reschedule_due": "1: timer deadlines changed too",
    "attempted_base": "attempted - global icount while this hart runs",
    "fetch_table": "host address of the fetch entries of the current privilege",
    "data_table": "host address of the data entries of the current context",
    "entries_filled": "TLB entries filled since the last flush; beyond TLB_LISTED not listed",
    "contexts_used": "bit set of TLB contexts filled since the last flush",
    "stopped_at": "host address of the decoded entry before which the last slice ended, or 0",
    "in_regions": "instructions done by regions",
    "left_short": "regions left because the budget did not last for a block",
    "left_hard": "regions left before an instruction that is the interpreter's",
    "left_near": "regions left for code of the same page",
    "left_page": "regions left for another page, which the jump names",
    "left_computed": "regions left by a computed jump",
    "scratch_word": "instruction word of the scratch page's entry",
}

HART_WORDS: Final = (
    "pc",
    "attempted",  # instructions begun when last scheduled out
    *HART_FIELDS,
    *(f"pmpaddr{i}" for i in range(PMP_ENTRIES)),
)
"""Scalar architectural fields, in layout order."""

PAGE: Final = 4096
CLUSTER_BYTES: Final = PAGE
SCRATCH_BYTES: Final = 64  # three decoded entries, and slack

CLUSTER_OFFSET: Final = {name: 8 * i for i, name in enumerate(CLUSTER_FIELDS)}
X_OFFSET: Final = 0
F_OFFSET: Final = X_OFFSET + 8 * X_SLOTS
_SCALARS: Final = F_OFFSET + 8 * 32
HART_OFFSET: Final = {
    name: _SCALARS + 8 * i for i, name in enumerate((*PRIVATE_FIELDS, *HART_WORDS))
}
SCRATCH_OFFSET: Final = 2048
TLB_OFFSET: Final = 4096
TLB_CONTEXT_BYTES: Final = TLB_ENTRIES * TLB_ENTRY_BYTES
FETCH_OFFSET: Final = TLB_OFFSET + TLB_CONTEXTS * TLB_CONTEXT_BYTES
FETCH_CONTEXT_BYTES: Final = FETCH_ENTRIES * FETCH_ENTRY_BYTES
PMP_MEMO_ENTRIES: Final = 64
PMP_MEMO_ENTRY_BYTES: Final = 16  # key: page, permission and privilege; answer
PMP_MEMO_OFFSET: Final = FETCH_OFFSET + FETCH_CONTEXTS * FETCH_CONTEXT_BYTES
TLB_LIST_OFFSET: Final = PMP_MEMO_OFFSET + PAGE
HART_BYTES: Final = TLB_LIST_OFFSET + 8 * TLB_LISTED

assert max(HART_OFFSET.values()) + 8 <= SCRATCH_OFFSET

ENTRY_BYTES: Final = 16  # handler, four operand bytes, 32-bit immediate
ENTRY_SHIFT: Final = 3  # an instruction at byte n of its page has its entry at n << 3
assert 2 << ENTRY_SHIFT == ENTRY_BYTES
_ENTRIES: Final = PAGE // 2 * ENTRY_BYTES
DECODED_PAGE_BYTES: Final = _ENTRIES + 128

# Behind a decoded page's entries, and two that lead to the next page.
READY_OFFSET: Final = _ENTRIES + 2 * ENTRY_BYTES  # 1 once it has its empty entries
RESETS_OFFSET: Final = READY_OFFSET + 8  # how often the page's code was forgotten as a whole
REGION_LINES_OFFSET: Final = RESETS_OFFSET + 8  # bit set: lines of code that regions rest on
# Stands for the page's code. Its first byte is never 0 while it does, so to take it away a store
# need clear only the first word.
STAMP_OFFSET: Final = REGION_LINES_OFFSET + 8
STAMP_BYTES: Final = 16
assert STAMP_OFFSET + STAMP_BYTES <= DECODED_PAGE_BYTES

# The heat of a page: how many slices ended in each line of its code, and in all of it.
HEAT_LINE: Final = 64  # bytes of code
HEAT_TOTAL_AT: Final = 2 * PAGE // HEAT_LINE  # behind 16-bit counts of its lines
HEAT_WAIT_AT: Final = HEAT_TOTAL_AT + 8  # samples before which it is not called hot again
HEAT_BYTES: Final = 256
NEVER_HOT: Final = (1 << 64) - 1

# Page flags.
CODE: Final = 1  # holds decoded instructions
TABLE: Final = 2  # cached translations depend on it
DIRTY: Final = 4  # written since the last digest
WRITABLE: Final = 8  # some TLB may hold a write entry for it
WATCHED: Final = 16  # the bus is told of stores to a part of it
SLOW: Final = CODE | TABLE | WATCHED  # stores to it are not for the fast path

# What is kept of the hashes of all pages: their XOR at 0, and the sums of the lower half of each,
# times its page's number (from 1) to the powers 0, 1, 2 and 3. Little-endian.
PAGE_HASH: Final = 16
FIRST_SUM: Final = 32
SUM_BYTES: Final = 32
PAGE_SUMS: Final = FIRST_SUM + 4 * SUM_BYTES

MMIO_LOAD: Final = 0
MMIO_STORE: Final = 1
MMIO_PROBE: Final = 2
MMIO_WATCHED: Final = 3

NOWHERE: Final = (1 << 64) - 1  # where nothing of more than a byte can be, as it is odd

MMIO_NONE: Final = 0
MMIO_REQUESTED: Final = 1
MMIO_DONE: Final = 2
MMIO_FAULTED: Final = 3

EVENT_TRAP: Final = 1
EVENT_LEAVE: Final = 2
