"""What QEMU 7.2 does otherwise than we do, and why that is not our fault.

Each entry is narrow: it says for which outcome, and which registers may differ then. Between our
own engines everything is always compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from conformance import layout as at
from conformance.cases import Placed
from conformance.csr_bits import CSR_BITS
from conformance.steps import floating
from lockstep.isa.csrs import CSR_NAMES
from lockstep.isa.disasm import X_NAMES
from lockstep.isa.privileged import (
    ENVCFG_ADUE,
    MACHINE,
    STATUS_FS,
    STATUS_MPRV,
    STATUS_SD,
)
from lockstep.isa.table import Insn, decode

PTE_A: Final = 1 << 6
PTE_D: Final = 1 << 7
CALLS: Final = (8, 9, 11)  # the causes by which a case ends that goes well
EVERYTHING: Final = frozenset("*")
MEMORY: Final = frozenset({"memory"})  # all that was put there for the case
X_REGISTERS: Final = frozenset(X_NAMES)
WINDOW: Final = frozenset(f"window+{offset}" for offset in range(0, at.WINDOW_BYTES, 8))


@dataclass(frozen=True)
class Outcome:
    """A case, and the state it ended in here and on QEMU."""

    placed: Placed
    ours: dict[str, int]
    theirs: dict[str, int]

    def pokes(self) -> Iterator[tuple[str, int]]:
        """Fields of memory, and the addresses they are of."""
        for address, _ in self.placed.case.pokes:
            yield f"memory at {address:#x}", address

    def trapped(self) -> Insn | None:
        """The instruction at our mepc, if it is one of the case's."""
        at = self.ours["mepc"] - self.placed.code
        code = self.placed.case.machine_code()
        return decode(int.from_bytes(code[at : at + 4], "little")) if 0 <= at < len(code) else None

    def trapped_at(self, *names: str) -> bool:
        one = self.trapped()
        return one is not None and one.name in names

    def any_register(self, ours: int, theirs: int) -> bool:
        """Whether some integer register is `ours` here and `theirs` there."""
        return any((self.ours[x], self.theirs[x]) == (ours, theirs) for x in X_NAMES[1:])

    def causes(self, ours: int, theirs: int) -> bool:
        return (self.ours["mcause"], self.theirs["mcause"]) == (ours, theirs)

    def instructions(self) -> Iterator[tuple[Insn, dict[str, int]]]:
        """The case's instructions and their operands."""
        for word in self.placed.case.code:
            one = decode(word)
            if one is not None:
                yield one, one.operands(word)

    def has(self, *names: str) -> bool:
        """Whether the case has an instruction of one of these names."""
        return any(one.name in names for one, _ in self.instructions())

    def mentions(self, *exts: str) -> bool:
        """Whether the case has an instruction of one of these extensions."""
        return any(one.ext in exts for one, _ in self.instructions())

    def accesses(self, *csrs: int) -> bool:
        """Whether the case reads or writes a control register of one of these numbers."""
        return any(operands.get("csr") in csrs for _, operands in self.instructions())


@dataclass(frozen=True)
class Deviation:
    """Where `applies` holds, `fields` may differ; "*" is all of them. `why` cites."""

    name: str
    applies: Callable[[Outcome], bool]
    fields: frozenset[str]
    why: str


def _in_atomic(outcome: Outcome) -> bool:
    one = outcome.trapped()
    return one is not None and one.ext == "A"


def _counts_zeros_of_a_long(outcome: Outcome) -> bool:
    """CTZW of a zero word counted on into the upper half."""
    pairs = ((value, outcome.theirs[name]) for name, value in outcome.ours.items())
    return outcome.has("ctzw") and any(ours == 32 and theirs > 32 for ours, theirs in pairs)


def _takes_the_lowest(outcome: Outcome, register: str) -> bool:
    """Both took interrupts, and there the one of the lower number came first."""
    ours, theirs = outcome.ours.get(register, 0), outcome.theirs.get(register, 0)
    return theirs >> 63 == 1 and theirs < ours


def _flags_without_dirt(outcome: Outcome) -> bool:
    """FS is Dirty here and not there, flags are raised, and an F or D result went to x."""
    difference = outcome.ours["mstatus"] ^ outcome.theirs["mstatus"]
    to_integer = (
        one.ext in ("F", "D") and "rd" in operands and "rd" not in floating(one)
        for one, operands in outcome.instructions()
    )
    raised = outcome.ours["fcsr"] & 0x1F
    dirty = outcome.ours["mstatus"] & STATUS_FS == STATUS_FS
    only = not difference & ~(STATUS_FS | STATUS_SD | CSR_BITS["mstatus"][0])
    return bool(raised) and dirty and only and any(to_integer)


def _entries(outcome: Outcome) -> Iterator[tuple[int, int]]:
    """What page-table entries of the case became, here and there."""
    for name, address in outcome.pokes():
        if at.TABLES <= address < at.TABLES_END:
            yield outcome.ours[name], outcome.theirs[name]


def _marks_a_page(outcome: Outcome) -> bool:
    """A page-table entry has A or D now, which it had not here."""
    return any(
        there != here and there == here | there & (PTE_A | PTE_D)
        for here, there in _entries(outcome)
    )


def _marks_both_halves(outcome: Outcome) -> bool:
    """The same access fault in the first half, and here the second page has a mark more."""
    ours, theirs = _fault(outcome.ours), _fault(outcome.theirs)
    return (
        ours[0] == theirs[0]
        and ours[0] in (5, 7)
        and -ours[1] % at.PAGE in range(1, 8)
        and all(here == there | here & (PTE_A | PTE_D) for here, there in _entries(outcome))
    )


def _fault(fields: dict[str, int]) -> tuple[int, int]:
    """(cause, tval) of the trap that ended the case or, had it been delegated, came before."""
    if fields["mcause"] == 9 and fields.get("scause"):
        return fields["scause"], fields["stval"]
    return fields["mcause"], fields["mtval"]


def _rounds_down(outcome: Outcome) -> bool:
    """Both are access faults of a load, and their address is ours rounded down."""
    ours, theirs = _fault(outcome.ours), _fault(outcome.theirs)
    sizes = (2, 4, 8)
    return ours[0] == theirs[0] == 5 and theirs[1] in {ours[1] & -size for size in sizes}


def _first_half_first(outcome: Outcome) -> bool:
    """Here a page fault at the start of a page; there an access fault just before it."""
    ours, theirs = _fault(outcome.ours), _fault(outcome.theirs)
    kinds = (ours[0], theirs[0]) in {(13, 5), (15, 7)}
    return kinds and ours[1] % at.PAGE == 0 and 0 < ours[1] - theirs[1] <= 8


def _walks_out_of_memory(outcome: Outcome) -> bool:
    """An access fault here, a page fault there, and a table's entry that points outside RAM."""
    causes = (_fault(outcome.ours)[0], _fault(outcome.theirs)[0])
    pointers = (
        (value >> 10) << 12
        for address, value in outcome.placed.case.pokes
        if at.TABLES <= address < at.TABLES_END and not value & 0xE
    )
    outside = any(not at.RAM <= pointer < at.RAM_END for pointer in pointers)
    return causes in {(1, 12), (5, 13), (7, 15)} and outside


def _protects_parts(outcome: Outcome) -> bool:
    """PMP entries are set, and an access in the case may be over the end of a page."""
    case = outcome.placed.case
    pointers = (outcome.placed.resolve(value) for value in case.x.values())
    return "pmpcfg0" in case.csrs and any(-pointer % at.PAGE in range(1, 8) for pointer in pointers)


def _protects_the_middle(outcome: Outcome) -> bool:
    """An access fault here and none there, and a PMP entry begins or ends inside of an access."""
    placed = outcome.placed
    pointers = [placed.resolve(value) & -2 for value in placed.case.x.values()]
    edges = set()
    for name, value in placed.case.csrs.items():
        if name.startswith("pmpaddr"):
            end = placed.resolve(value)
            span = end ^ (end + 1)
            edges |= {end << 2, (end + 1) << 2, (end & ~span) << 2, (end | span) + 1 << 2}
    inside = any(0 < edge - pointer < 8 for pointer in pointers for edge in edges)
    return outcome.ours["mcause"] in (1, 5, 7) and outcome.theirs["mcause"] in CALLS and inside


def _sets_no_bits(outcome: Outcome) -> bool:
    """FS is Dirty here only, after CSRRS or CSRRC of a floating-point register, with a zero."""
    difference = outcome.ours["mstatus"] ^ outcome.theirs["mstatus"]
    dirty = outcome.ours["mstatus"] & STATUS_FS == STATUS_FS
    zeros = {n for n, value in outcome.placed.case.x.items() if value == 0}
    return (
        dirty
        and not difference & ~(STATUS_FS | STATUS_SD)
        and any(
            one.name in ("csrrs", "csrrc") and operands["csr"] <= 3 and operands["rs1"] in zeros
            for one, operands in outcome.instructions()
        )
    )


def _keeps_mprv(outcome: Outcome) -> bool:
    """MPRV is set there and not here; the case was entered, or left M, by a return."""
    ours, theirs = outcome.ours["mstatus"], outcome.theirs["mstatus"]
    left_machine = outcome.placed.case.mode != MACHINE or outcome.has("mret", "sret")
    only = not (ours ^ theirs) & ~(STATUS_MPRV | CSR_BITS["mstatus"][0])
    return left_machine and only and not ours & STATUS_MPRV


DEVIATIONS: Final = (
    Deviation(
        "ctzw of zero",
        _counts_zeros_of_a_long,
        X_REGISTERS | WINDOW,
        'Unpriv. 28.4.10: "If the least-significant word is 0, 32 is written to rd."',
    ),
    Deviation(
        "no cache-block operations",
        lambda o: o.mentions("Zicbom", "Zicboz"),
        EVERYTHING,
        "QEMU 7.2 has neither Zicbom nor Zicboz (8.0 has): it calls them illegal.",
    ),
    Deviation(
        "vstimecmp without a hypervisor",
        lambda o: o.accesses(0x24D) and o.causes(2, 11),
        EVERYTHING,
        "Sstc 2.3: vstimecmp belongs to the hypervisor extension, which is off.",
    ),
    Deviation(
        "trigger registers",
        lambda o: o.accesses(0x7A0, 0x7A1, 0x7A2, 0x7A3) and o.causes(11, 2),
        EVERYTHING,
        "Debug 0.13 5.2: that there are no triggers may be said by registers that are zero, or by"
        " there being no registers. QEMU 7.2 could have two triggers, or no registers.",
    ),
    Deviation(
        "FS after flags alone",
        _flags_without_dirt,
        frozenset({"mstatus"}),
        '3.1.6.6: FS is the state of the floating-point unit "including the CSR fcsr and'
        ' floating-point data registers f0-f31". QEMU 7.2 forgets comparisons and conversions to'
        " integers, which raise flags and write no data register.",
    ),
    Deviation(
        "A and D left to software",
        lambda o: _marks_a_page(o) and not o.ours["menvcfg"] & ENVCFG_ADUE,
        EVERYTHING,
        '4.3.1: "Two schemes to manage the A and D bits are permitted": while menvcfg.ADUE is clear'
        ' ours is the first, "a page-fault exception is raised"; QEMU 7.2 has only the second,'
        ' "sets the corresponding bit(s) in the PTE".',
    ),
    Deviation(
        "page tables that are nowhere",
        _walks_out_of_memory,
        EVERYTHING,
        '4.3.2 step 2: "If accessing pte violates a PMA or PMP check, raise an access-fault'
        ' exception corresponding to the original access type." QEMU 7.2 raises a page fault.',
    ),
    Deviation(
        "tval of misaligned loads from nowhere",
        _rounds_down,
        frozenset({"mtval", "stval"}),
        '3.1.16: mtval has "the virtual address of the portion of the access that caused the'
        ' fault". QEMU 7.2 loads the two aligned words around it, and names the first.',
    ),
    Deviation(
        "which half of a misaligned access",
        _first_half_first,
        EVERYTHING,
        "3.7.1 and table 3.7 order the faults of one access, of which a misaligned one may be"
        " several. Where the first page has nothing behind it and the second one refuses, ours"
        " is the page fault, as both are translated first.",
    ),
    Deviation(
        "marks of a misaligned access across pages",
        _marks_both_halves,
        MEMORY,
        'Priv. 4.3.1 lets A be set "as a result of speculation", and each half of a misaligned'
        " access is one of its own (3.7.1). Ours translates both, and then finds that nothing is"
        " behind the first.",
    ),
    Deviation(
        "protection of a misaligned access across pages",
        _protects_parts,
        EVERYTHING,
        '3.7.1: "On some implementations, misaligned loads, stores, and instruction fetches may'
        ' also be decomposed into multiple accesses": ours are, at the end of a page, and each'
        " part is checked. test_protection checks ours against the rules themselves.",
    ),
    Deviation(
        "protection in the middle of an access",
        _protects_the_middle,
        EVERYTHING,
        '3.7.1: "The lowest-numbered PMP entry that matches any byte of an access determines'
        ' whether that access succeeds or fails." QEMU 7.2 looks at the first and the last byte,'
        " and for the second half of an instruction not at all if its page was seen already.",
    ),
    Deviation(
        "half of a misaligned store",
        lambda o: o.causes(7, 7) and o.ours["mtval"] % at.PAGE == 0,
        MEMORY,
        "Unpriv. 2.6: misaligned stores need not be atomic. When the second page faults, QEMU has"
        " stored to the first one.",
    ),
    Deviation(
        "writing back to a floating-point register what it was",
        _sets_no_bits,
        frozenset({"mstatus"}),
        'Unpriv. 6.1: with a source register that holds zero, CSRRS and CSRRC "will still attempt'
        ' to write the unmodified value back to the CSR and will cause any attendant side effects":'
        " FS becomes Dirty. QEMU only reads.",
    ),
    Deviation(
        "MPRV after a return",
        _keeps_mprv,
        frozenset({"mstatus"}),
        '3.1.6.3: "An MRET or SRET instruction that changes the privilege mode to a mode less'
        ' privileged than M also sets MPRV=0." QEMU 7.2 does not (8.0 does).',
    ),
    Deviation(
        "order of interrupts",
        lambda o: _takes_the_lowest(o, "mcause") or _takes_the_lowest(o, "scause"),
        frozenset({"mcause", "scause", "mepc", "trap vector"}),
        "3.1.9: simultaneous interrupts are handled in the order MEI, MSI, MTI, SEI, SSI, STI."
        " QEMU 7.2 without AIA takes the one with the lowest number.",
    ),
    Deviation(
        "cause of AMOs to nowhere",
        lambda o: o.causes(7, 5) and _in_atomic(o),
        frozenset({"mcause"}),
        'Priv. table 3.6: cause 7 is "Store/AMO access fault", 5 "Load access fault".',
    ),
    Deviation(
        "misaligned SC that is not reserved",
        lambda o: o.ours["mcause"] == 6 and o.trapped_at("sc.w", "sc.d"),
        EVERYTHING,
        'Unpriv. 13.2: "the A extension requires that the address held in rs1 be naturally aligned'
        " [...] If the address is not naturally aligned, an address-misaligned exception or an"
        ' access-fault exception will be generated." QEMU only looks if there is a reservation.',
    ),
    Deviation(
        "SC after LR of another size",
        lambda o: (
            o.any_register(0, 1)
            and ((o.has("lr.w") and o.has("sc.d")) or (o.has("lr.d") and o.has("sc.w")))
        ),
        EVERYTHING,
        'Unpriv. 13.2: "an implementation can register an arbitrarily large reservation set on each'
        ' LR"; SC may then succeed, and 13.3 guarantees it only "of the same data size".',
    ),
)


def excused(outcome: Outcome) -> frozenset[str]:
    """The fields that QEMU may have otherwise in this case."""
    fields = (d.fields for d in DEVIATIONS if d.applies(outcome))
    found = frozenset(_registers_excused(outcome)).union(*fields)
    return found | {name for name, _ in outcome.pokes()} if found >= MEMORY else found


def _registers_excused(outcome: Outcome) -> Iterator[str]:
    """What shows a control register, if it differs only in bits where it may."""
    shown = {name: name for name in CSR_BITS}
    for _, operands in outcome.instructions():
        if "csr" in operands and operands["csr"] in CSR_NAMES:
            shown[X_NAMES[operands["rd"]]] = CSR_NAMES[operands["csr"]]
    for field, csr in shown.items():
        difference = outcome.ours.get(field, 0) ^ outcome.theirs.get(field, 0)
        if csr in CSR_BITS and not difference & ~CSR_BITS[csr][0]:
            yield field
