"""The numbers of the privileged architecture: modes, causes, mstatus fields, kinds of access.

Section numbers here and in the modules around refer to the RISC-V Privileged Architecture,
document version 20211203 (privileged 1.12).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Privilege modes (1.2).
USER: Final = 0
SUPERVISOR: Final = 1
MACHINE: Final = 3

# Exception causes (table 3.6).
INSTRUCTION_ACCESS_FAULT: Final = 1
ILLEGAL_INSTRUCTION: Final = 2
BREAKPOINT: Final = 3
LOAD_MISALIGNED: Final = 4
LOAD_ACCESS_FAULT: Final = 5
STORE_MISALIGNED: Final = 6
STORE_ACCESS_FAULT: Final = 7
ENVIRONMENT_CALL: Final = 8  # plus the mode that called
INSTRUCTION_PAGE_FAULT: Final = 12
LOAD_PAGE_FAULT: Final = 13
STORE_PAGE_FAULT: Final = 15

# Interrupts: cause numbers, which are also bit numbers in mip and mie (3.1.9).
SSI: Final = 1
MSI: Final = 3
STI: Final = 5
MTI: Final = 7
SEI: Final = 9
MEI: Final = 11
INTERRUPT: Final = 1 << 63  # in a cause: an interrupt, not an exception

SSIP: Final = 1 << SSI
MSIP: Final = 1 << MSI
STIP: Final = 1 << STI
MTIP: Final = 1 << MTI
SEIP: Final = 1 << SEI
MEIP: Final = 1 << MEI
SUPERVISOR_INTERRUPTS: Final = SSIP | STIP | SEIP
ALL_INTERRUPTS: Final = SUPERVISOR_INTERRUPTS | MSIP | MTIP | MEIP

# mstatus (3.1.6).
STATUS_SIE: Final = 1 << 1
STATUS_MIE: Final = 1 << 3
STATUS_SPIE: Final = 1 << 5
STATUS_MPIE: Final = 1 << 7
STATUS_SPP: Final = 1 << 8
STATUS_MPP: Final = 3 << 11
STATUS_FS: Final = 3 << 13
STATUS_MPRV: Final = 1 << 17
STATUS_SUM: Final = 1 << 18
STATUS_MXR: Final = 1 << 19
STATUS_TVM: Final = 1 << 20
STATUS_TW: Final = 1 << 21
STATUS_TSR: Final = 1 << 22
STATUS_UXL: Final = 3 << 32
STATUS_SD: Final = 1 << 63

# menvcfg and senvcfg (3.1.18, 4.1.10; STCE from Sstc 2.1, ADUE from Svadu 1.0).
ENVCFG_ADUE: Final = 1 << 61
ENVCFG_STCE: Final = 1 << 63


@dataclass(frozen=True)
class Access:
    """A kind of memory access: what it needs, and the exceptions that refuse it."""

    name: str
    permission: int  # its bit in a PMP entry: R 1, W 2, X 4; a PTE has the same one place higher
    page_fault: int
    access_fault: int


FETCH: Final = Access("fetch", 4, INSTRUCTION_PAGE_FAULT, INSTRUCTION_ACCESS_FAULT)
LOAD: Final = Access("load", 1, LOAD_PAGE_FAULT, LOAD_ACCESS_FAULT)
STORE: Final = Access("store", 2, STORE_PAGE_FAULT, STORE_ACCESS_FAULT)  # and every AMO
