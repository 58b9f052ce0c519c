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

TLB_ENTRIES: Final = 1024
TLB_ENTRY_BYTES: Final = 32  # read tag, write tag, host address minus virtual address, unused
TLB_CONTEXTS: Final = 8  # see native/tlb.py
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
    "mmio_write": "1 store, 0 load",
    "mmio_addr": "physical address",
    "mmio_size": "bytes",
    "mmio_value": "value stored or loaded",
    "ram_base": "physical address of main memory",
    "ram_size": "bytes of main memory",
    "ram_host": "host address of main memory",
    "flags_host": "host address of the page flags, a byte a page",
    "pool_host": "host address of the decoded pages",
    "table_pages": "how many pages hold page tables that translations depend on",
    "table_list": "host address of the list of those pages, with room for every page",
    "budget": "instructions the scheduler granted",
}

PRIVATE_FIELDS: Final[dict[str, str]] = {
    "cluster": "host address of the cluster block",
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
    "contexts_used": "bit set of TLB contexts filled since the last flush",
    "in_regions": "instructions done by regions",
    "region_runs": "how often a region was entered",
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
HART_BYTES: Final = PMP_MEMO_OFFSET + PAGE

assert max(HART_OFFSET.values()) + 8 <= SCRATCH_OFFSET

ENTRY_BYTES: Final = 16  # handler, four operand bytes, 32-bit immediate
DECODED_PAGE_BYTES: Final = PAGE // 2 * ENTRY_BYTES + 128

# Page flags.
CODE: Final = 1  # holds decoded instructions
TABLE: Final = 2  # cached translations depend on it
DIRTY: Final = 4  # written since the last digest
WRITABLE: Final = 8  # some TLB may hold a write entry for it

MMIO_NONE: Final = 0
MMIO_REQUESTED: Final = 1
MMIO_DONE: Final = 2
MMIO_FAULTED: Final = 3

EVENT_TRAP: Final = 1
EVENT_LEAVE: Final = 2
