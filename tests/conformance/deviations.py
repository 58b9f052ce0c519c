"""What QEMU 7.2 does otherwise than we do, and why that is not our fault.

Each entry is narrow: it says for which outcome, and which registers may differ then. Between our
own engines everything is always compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from conformance.cases import Placed
from conformance.layout import WINDOW_BYTES
from lockstep.isa.disasm import X_NAMES
from lockstep.isa.table import Insn, decode

EVERYTHING: Final = frozenset("*")
X_REGISTERS: Final = frozenset(X_NAMES)
WINDOW: Final = frozenset(f"window+{offset}" for offset in range(0, WINDOW_BYTES, 8))


@dataclass(frozen=True)
class Outcome:
    """A case, and the state it ended in here and on QEMU."""

    placed: Placed
    ours: dict[str, int]
    theirs: dict[str, int]

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

    def has(self, *names: str) -> bool:
        """Whether the case has an instruction of one of these names."""
        found = (decode(word) for word in self.placed.case.code)
        return any(one is not None and one.name in names for one in found)

    def mentions(self, *exts: str) -> bool:
        """Whether the case has an instruction of one of these extensions."""
        found = (decode(word) for word in self.placed.case.code)
        return any(one is not None and one.ext in exts for one in found)


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
        "cause of misaligned AMOs",
        lambda o: o.causes(6, 4) and _in_atomic(o),
        frozenset({"mcause"}),
        'Priv. table 3.6: cause 6 is "Store/AMO address misaligned", 4 "Load address misaligned".',
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
        lambda o: o.any_register(0, 1)
        and (o.has("lr.w") and o.has("sc.d") or o.has("lr.d") and o.has("sc.w")),
        EVERYTHING,
        'Unpriv. 13.2: "an implementation can register an arbitrarily large reservation set on each'
        ' LR"; SC may then succeed, and 13.3 guarantees it only "of the same data size".',
    ),
)


def excused(outcome: Outcome) -> frozenset[str]:
    """The fields that QEMU may have otherwise in this case."""
    return frozenset().union(*(d.fields for d in DEVIATIONS if d.applies(outcome)))
