"""The architectural state of a hart, by name: one list for both engines, digests and debuggers."""

from __future__ import annotations

from typing import Final

NO_RESERVATION: Final = (1 << 64) - 1
PMP_ENTRIES: Final = 16

# What a hart may have or lack: bits of its `features`, which no instruction changes.
SVADU: Final = 1  # page walks can set A and D: menvcfg.ADUE can be written
SVADE: Final = 2  # but they do not until software asks for it: ADUE is 0 after a reset
VACANCY: Final = 4  # managing cache blocks where nothing is faults
ZBC: Final = 8  # carry-less multiplication is no illegal instruction
FEATURES: Final = SVADU | VACANCY | ZBC

HART_FIELDS: Final[dict[str, str]] = {
    "priv": "current privilege: 0 U, 1 S, 3 M",
    "mstatus": "machine status; sstatus is a view of it (SD is derived)",
    "medeleg": "exceptions delegated to S",
    "mideleg": "interrupts delegated to S",
    "mie": "interrupt enables; sie is a view",
    "mip": "pending bits raised by devices (MSIP, SSIP, SEIP, MEIP); timer bits are derived",
    "mip_soft": "SEIP as written by software to mip (Priv. 3.1.9: the two are ORed)",
    "mtvec": "machine trap vector",
    "mscratch": "machine scratch",
    "mepc": "machine exception pc",
    "mcause": "machine cause",
    "mtval": "machine trap value",
    "mcounteren": "counters visible to S",
    "mcountinhibit": "counters stopped",
    "menvcfg": "machine environment configuration",
    "mcycle_offset": "mcycle = executed instructions + this, wrapping",
    "minstret_offset": "minstret = executed - exceptions + this, wrapping",
    "exceptions": "synchronous exceptions taken: instructions that did not retire",
    "stvec": "supervisor trap vector",
    "sscratch": "supervisor scratch",
    "sepc": "supervisor exception pc",
    "scause": "supervisor cause",
    "stval": "supervisor trap value",
    "scounteren": "counters visible to U",
    "senvcfg": "supervisor environment configuration",
    "satp": "address translation root",
    "stimecmp": "supervisor timer compare (Sstc)",
    "mtimecmp": "machine timer compare (ACLINT, memory mapped)",
    "fcsr": "fflags in bits 4..0, frm in bits 7..5",
    "reservation": "LR/SC reservation: virtual address, or NO_RESERVATION",
    "waiting": "1 while in WFI",
    "pmpcfg0": "PMP configuration bytes 0..7",
    "pmpcfg2": "PMP configuration bytes 8..15",
    "hartid": "this hart's number (constant)",
}

RESET_VALUES: Final[dict[str, int]] = {
    "priv": 3,
    # Priv. 3.1.6.3: UXL = SXL = 2 (RV64), read-only here.
    "mstatus": (2 << 32) | (2 << 34),
    "mtimecmp": (1 << 64) - 1,
    "stimecmp": (1 << 64) - 1,
    "reservation": NO_RESERVATION,
}
