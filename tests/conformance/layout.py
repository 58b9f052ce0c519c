"""Where things are in the machine under test, and what a record of one case holds.

A record is both what a case starts from and what it ends with: the harness loads the machine's
state from it, runs the case, and stores the state back. Afterwards the records are compared.
"""

from __future__ import annotations

from typing import Final

RAM: Final = 0x8000_0000
RAM_SIZE: Final = 64 << 20
RAM_END: Final = RAM + RAM_SIZE
PAGE: Final = 0x1000

HARNESS: Final = RAM
MACHINE_VECTORS: Final = RAM + 0x3000
CURSOR: Final = RAM + 0x4000  # address of the next entry of POINTERS
SUPERVISOR_VECTORS: Final = RAM + 0x5000
TABLES: Final = RAM + 0x1_0000  # page tables, 16 pages
TABLES_END: Final = RAM + 0x2_0000
FRAMES: Final = RAM + 0x2_0000  # what the pages under test map to, 16 pages
FRAMES_END: Final = RAM + 0x3_0000
POINTERS: Final = RAM + 0x8_0000  # addresses of the records, and a zero
MEGAPAGE: Final = RAM + 0x20_0000  # 2 MiB, for a superpage to map
RECORDS: Final = RAM + 0x50_0000
WINDOWS: Final = RAM + 0x200_0000  # a piece of memory for each case
CODE: Final = RAM + 0x300_0000

# Not a power of two: some windows lie across the end of a page.
WINDOW_BYTES: Final = 192

# Devices, as on QEMU's virt board.
FINISHER: Final = 0x10_0000
FINISHER_PASS: Final = 0x5555
MSIP: Final = 0x200_0000
MTIMECMP: Final = 0x200_4000

# Slots of a record, 64 bits each.
ENTRY: Final = 0  # where the case begins
X: Final = 0  # plus the register number, from 1
F: Final = 32
FCSR: Final = 64
MSTATUS: Final = 65
SETUP: Final = 66  # address of the code that loads the record
SAVE: Final = 67  # address of the code that stores it
MCAUSE: Final = 68
MEPC: Final = 69
MTVAL: Final = 70
VECTOR: Final = 71  # which entry of the vector table was used
LIGHT_SLOTS: Final = 72

# The rest only in full records, for cases that concern privileged state.
CSRS: Final = (
    "medeleg", "mideleg", "mie", "mtvec", "mcounteren", "mcountinhibit", "menvcfg", "stvec",
    "scounteren", "senvcfg", "sscratch", "sepc", "scause", "stval", "stimecmp", "mip",
    *(f"pmpaddr{i}" for i in range(16)), "pmpcfg0", "pmpcfg2", "satp",
)  # fmt: skip
CSR_SLOT: Final = {name: LIGHT_SLOTS + i for i, name in enumerate(CSRS)}
MSIP_SLOT: Final = LIGHT_SLOTS + len(CSRS)
MTIMECMP_SLOT: Final = MSIP_SLOT + 1
# Pairs of an address and a 64-bit value: put there before, picked up and zeroed afterwards.
POKES: Final = MTIMECMP_SLOT + 1
POKE_COUNT: Final = 24
FULL_SLOTS: Final = POKES + 2 * POKE_COUNT

MAXIMUM: Final = (1 << 64) - 1
OPEN_PMPCFG2: Final = 0x1F << 56  # entry 15: NAPOT, all of memory, RWX
CSR_DEFAULTS: Final[dict[str, int]] = {
    "stimecmp": MAXIMUM,
    "pmpaddr15": (1 << 54) - 1,
    "pmpcfg2": OPEN_PMPCFG2,
    "mtvec": MACHINE_VECTORS,
    "stvec": SUPERVISOR_VECTORS,
}

assert 8 * FULL_SLOTS <= 2048, "a record must be reachable from its address"
