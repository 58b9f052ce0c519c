"""A case: a few instructions, the state they start from, and how it is all laid out in memory."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from conformance import layout as at
from conformance.harness import harness, supervisor_vectors
from instructions import encode
from lockstep.isa.disasm import X_NAMES, disassemble

M, S, U = 3, 1, 0
END: Final = encode("ecall")
FS_DIRTY: Final = 3 << 13
_SEED: Final = 0x9E37_79B9_7F4A_7C15  # odd: registers nobody chose differ


class Window(NamedTuple):
    """The address of a byte of the case's own memory."""

    offset: int


class Code(NamedTuple):
    """The address of a byte of the case's own instructions."""

    offset: int


Value = int | Window | Code


@dataclass
class Case:
    """What to run, and from which state. What is not given has some definite value."""

    code: Sequence[int]  # instruction words, 16 or 32 bits
    x: dict[int, Value] = field(default_factory=dict)
    f: dict[int, int] = field(default_factory=dict)
    fcsr: int = 0
    mode: int = M
    mstatus: int = FS_DIRTY
    window: bytes = bytes(range(at.WINDOW_BYTES))
    csrs: dict[str, Value] = field(default_factory=dict)
    pokes: list[tuple[int, int]] = field(default_factory=list)
    msip: int = 0
    mtimecmp: int = at.MAXIMUM
    entry: int | None = None  # a virtual address, if not where the code lies
    halfword: bool = False  # begin at an odd multiple of two
    full: bool = False  # compare privileged state, too

    def __post_init__(self) -> None:
        self.full = self.full or bool(self.csrs or self.pokes or self.msip)
        assert len(self.pokes) <= at.POKE_COUNT
        assert len(self.window) == at.WINDOW_BYTES

    def machine_code(self) -> bytes:
        words = (*self.code, END, END)
        return b"".join(w.to_bytes(4 if w & 3 == 3 else 2, "little") for w in words)

    @property
    def slots(self) -> int:
        return at.FULL_SLOTS if self.full else at.LIGHT_SLOTS


@dataclass(frozen=True)
class Placed:
    """A case and where its parts lie."""

    case: Case
    record: int
    window: int
    code: int
    setup: str  # the harness's routine that loads the record

    def resolve(self, value: Value) -> int:
        if isinstance(value, Window):
            return self.window + value.offset
        if isinstance(value, Code):
            return self.code + value.offset
        return value % (1 << 64)

    def initial(self) -> list[int]:
        """The record to start from."""
        case, slots = self.case, [0] * self.case.slots
        slots[at.ENTRY] = self.code if case.entry is None else case.entry
        for i in range(1, 32):
            slots[at.X + i] = self.resolve(case.x.get(i, _SEED * i))
        for i in range(32):
            slots[at.F + i] = case.f.get(i, _SEED * (i + 33)) % (1 << 64)
        slots[at.FCSR] = case.fcsr
        slots[at.MSTATUS] = case.mode << 11 | case.mstatus
        labels = harness()[1]
        slots[at.SETUP] = labels[self.setup]
        slots[at.SAVE] = labels["save_full" if case.full else "next"]
        if case.full:
            self._privileged(slots)
        return slots

    def _privileged(self, slots: list[int]) -> None:
        case = self.case
        for name, slot in at.CSR_SLOT.items():
            slots[slot] = self.resolve(case.csrs.get(name, at.CSR_DEFAULTS.get(name, 0)))
        slots[at.MSIP_SLOT] = case.msip
        slots[at.MTIMECMP_SLOT] = case.mtimecmp
        for i, (address, value) in enumerate(case.pokes):
            slots[at.POKES + 2 * i : at.POKES + 2 * i + 2] = address, value

    def listing(self) -> list[str]:
        """The case's instructions as text."""
        lines, pc = [], self.code
        for word in self.case.code:
            lines.append(f"{pc:#x}  {word:0{8 if word & 3 == 3 else 4}x}  {disassemble(word, pc)}")
            pc += 4 if word & 3 == 3 else 2
        return lines


class Batch:
    """Many cases laid out in one memory image."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.placed: list[Placed] = []
        record, window, code, light = at.RECORDS, at.WINDOWS, at.CODE, "load_light"
        for case in cases:
            setup = "load_full" if case.full else light
            code += -code % 4 + (2 if case.halfword else 0)
            self.placed.append(Placed(case, record, window, code, setup))
            light = "rest_and_load_light" if case.full else "load_light"
            record += 8 * case.slots
            window += at.WINDOW_BYTES
            code += len(case.machine_code())
        assert record <= at.WINDOWS, "too many cases for one batch: records"
        assert window <= at.CODE, "too many cases for one batch: windows"
        assert code <= at.RAM_END, "too many cases for one batch: code"
        assert at.POINTERS + 8 * len(cases) < at.MEGAPAGE, "too many cases for one batch: pointers"

    def write_to(self, ram: bytearray | memoryview) -> None:
        """Put the whole program into main memory, which is all zeros."""

        def put(address: int, data: bytes) -> None:
            ram[address - at.RAM : address - at.RAM + len(data)] = data

        put(at.HARNESS, harness()[0])
        put(at.CURSOR, at.POINTERS.to_bytes(8, "little"))
        put(at.SUPERVISOR_VECTORS, supervisor_vectors())
        put(at.POINTERS, _words([one.record for one in self.placed]))
        for one in self.placed:
            put(one.record, _words(one.initial()))
            put(one.window, one.case.window)
            put(one.code, one.case.machine_code())

    def reached(self, ram: bytes | memoryview) -> int:
        """How many cases were begun."""
        cursor = int.from_bytes(_part(ram, at.CURSOR, 8), "little")
        return (cursor - at.POINTERS) // 8

    def results(self, ram: bytes | memoryview) -> list[Result]:
        """What each case ended with."""
        return [
            Result(
                one,
                _part(ram, one.record, 8 * one.case.slots),
                _part(ram, one.window, at.WINDOW_BYTES),
            )
            for one in self.placed
        ]


@dataclass(frozen=True)
class Result:
    """What a case ended with: its record and its window, as bytes."""

    placed: Placed
    record: bytes
    window: bytes

    @property
    def cause(self) -> int:
        """mcause: why the case ended."""
        return int.from_bytes(self.record[8 * at.MCAUSE : 8 * at.MCAUSE + 8], "little")

    def same(self, other: Result) -> bool:
        return self.record == other.record and self.window == other.window

    def fields(self) -> dict[str, int]:
        """All of it by name."""
        case = self.placed.case
        slots = struct.unpack(f"<{case.slots}Q", self.record)
        found = {name: slots[slot] for name, slot in LIGHT_NAMES.items()}
        if case.full:
            found |= {name: slots[slot] for name, slot in at.CSR_SLOT.items()}
            for i, (address, _) in enumerate(case.pokes):
                found[f"memory at {address:#x}"] = slots[at.POKES + 2 * i + 1]
        window = struct.unpack(f"<{at.WINDOW_BYTES // 8}Q", self.window)
        return found | {f"window+{8 * i}": value for i, value in enumerate(window)}


LIGHT_NAMES: Final[dict[str, int]] = {
    "mcause": at.MCAUSE,
    "mepc": at.MEPC,
    "mtval": at.MTVAL,
    **{X_NAMES[i]: at.X + i for i in range(1, 32)},
    **{f"f{i}": at.F + i for i in range(32)},
    "fcsr": at.FCSR,
    "mstatus": at.MSTATUS,
    "trap vector": at.VECTOR,
}


def _words(values: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(values)}Q", *values)


def _part(ram: bytes | memoryview, address: int, size: int) -> bytes:
    return bytes(ram[address - at.RAM : address - at.RAM + size])
