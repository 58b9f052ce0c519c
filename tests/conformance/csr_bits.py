"""Bits of control and status registers that QEMU 7.2 keeps and we do not, or the reverse.

Section numbers are those of the Privileged Architecture 20211203 (1.12), unless another is named.
"""

from __future__ import annotations

from typing import Final

_ALL: Final = (1 << 64) - 1
_ABOVE_32: Final = _ALL - ((1 << 32) - 1)
_UXL: Final = 3 << 32
_VS: Final = 3 << 9
_SD: Final = 1 << 63
_MPP: Final = 3 << 11
_MPV_GVA: Final = 3 << 38
_INTERRUPTS: Final = 1 << 2 | 1 << 6 | 1 << 10 | 1 << 13

_HYPERVISOR: Final = "there is no H extension: its bits are reserved and read as zero (2.3)"
_EITHER: Final = '3.1.10: hpm counters and events "may be hardwired to zero"'
_TIME: Final = (
    "3.1.10, Unpriv. 8: what a cycle is, and how fast time goes, is the platform's choice"
)

CSR_BITS: Final[dict[str, tuple[int, str]]] = {
    "mstatus": (
        _UXL | _VS | _SD | _MPP | _MPV_GVA,
        "3.1.6.2: UXL is WARL, here constant 2 (RV64). 3.1.6.6: VS is zero without V, and SD"
        " sums up FS and VS. 3.1.6.1: MPP is WARL; it keeps its value for 2. MPV and GVA:"
        f" {_HYPERVISOR}.",
    ),
    "sstatus": (_UXL | _VS | _SD, "As mstatus."),
    "medeleg": (
        0xF0_0C00,
        '3.1.8: "In particular, medeleg[11] is read-only zero"; 10 and 20 to 23:' + _HYPERVISOR,
    ),
    "mideleg": (_INTERRUPTS, f"2, 6, 10: {_HYPERVISOR}; 13 is that of Sscofpmf, which is absent."),
    "mie": (_INTERRUPTS, "As mideleg."),
    "mip": (_INTERRUPTS, "As mideleg."),
    "sie": (_INTERRUPTS, "As mideleg."),
    "sip": (_INTERRUPTS, "As mideleg."),
    "mepc": (1, '3.1.14: "The low bit of mepc (mepc[0]) is always zero."'),
    "sepc": (1, '4.1.7: "The low bit of sepc (sepc[0]) is always zero."'),
    "mcounteren": (_ABOVE_32, '3.1.11: "a 32-bit register"'),
    "scounteren": (_ABOVE_32, '4.1.5: "a 32-bit register"'),
    "mcountinhibit": (
        _ALL - 5,
        '3.1.12: "a 32-bit WARL register"; bit 1 is zero, and so is the bit of a counter that is.',
    ),
    "menvcfg": (
        1 << 62 | 1 << 61 | 3 << 4,
        '3.1.18: "If Svpbmt is not implemented, PBMTE is read-only zero". CMO 3.3: CBIE = 2 is'
        " reserved; it becomes 0 here. Svadu 1.0: ADUE, which QEMU 7.2 does not know.",
    ),
    "senvcfg": (3 << 4, "CBIE as in menvcfg."),
    **{
        f"pmpaddr{i}": (_ALL - ((1 << 54) - 1), "Figure 3.32: bits 63 to 54 are zero (WARL).")
        for i in range(16)
    },
    **{
        f"pmpcfg{i}": (
            0x6262_6262_6262_6262,
            '3.7.1: bits 5 and 6 are "WARL 0"; "the combination R=0 and W=1 is reserved": W'
            " then becomes 0 here.",
        )
        for i in (0, 2)
    },
    **{f"mhpmevent{i}": (_ALL, _EITHER) for i in range(3, 32)},
    **{f"mhpmcounter{i}": (_ALL, _EITHER) for i in range(3, 32)},
    **{f"hpmcounter{i}": (_ALL, _EITHER) for i in range(3, 32)},
    **dict.fromkeys(("mcycle", "minstret", "cycle", "time", "instret"), (_ALL, _TIME)),
}
