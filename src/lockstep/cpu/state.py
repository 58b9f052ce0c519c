"""The harts' memory block by name: fields as attributes, and the whole of it as a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from lockstep.cpu.hostmemory import anonymous, host_address
from lockstep.cpu.layout import (
    CLUSTER_BYTES,
    CLUSTER_OFFSET,
    DROPPED,
    F_OFFSET,
    HART_BYTES,
    HART_OFFSET,
    HART_WORDS,
    TLB_OFFSET,
    X_OFFSET,
)
from lockstep.isa.privileged import ENVCFG_ADUE
from lockstep.isa.state import RESET_VALUES, SVADE, SVADU

C = TypeVar("C", bound=type[Any])

MASK: Final = (1 << 64) - 1
CANONICAL_FIELDS: Final = HART_WORDS
"""Scalars that are part of a hart's state; the private ones are caches."""


class Field:
    """A 64-bit field of a block: an int, wrapping."""

    __slots__ = ("index",)

    def __init__(self, offset: int) -> None:
        self.index = offset >> 3

    def __get__(self, block: Any, owner: Any = None) -> Any:
        return block.words[self.index]

    def __set__(self, block: Any, value: Any) -> None:
        block.words[self.index] = value & MASK


def with_fields(offsets: Mapping[str, int], kind: type[Field] = Field) -> Callable[[C], C]:
    """Give a class that has `words` an attribute for each field, but for those it defines."""

    def decorate(cls: C) -> C:
        for name, offset in offsets.items():
            if name not in vars(cls):
                setattr(cls, name, kind(offset))
        return cls

    return decorate


class RegisterFile:
    """32 registers as ints."""

    def __init__(self, words: memoryview, offset: int, *, hardwired: bool) -> None:
        self._words = words[offset >> 3 :]
        self._hardwired = hardwired

    def __len__(self) -> int:
        return 32

    def __getitem__(self, index: int) -> int:
        return int(self._words[index])

    def __setitem__(self, index: int, value: int) -> None:
        slot = DROPPED if self._hardwired and index == 0 else index
        self._words[slot] = value & MASK

    def values(self) -> tuple[int, ...]:
        return tuple(self._words[:32])

    def fill(self, values: tuple[int, ...]) -> None:
        for index, value in enumerate(values):
            self[index] = value


class HartSnapshot(msgspec.Struct, frozen=True):
    """One hart, exactly. What the engines may drop at any instant is not in it."""

    x: tuple[int, ...]
    f: tuple[int, ...]
    fields: dict[str, int]


class CpuState(msgspec.Struct, frozen=True):
    """All harts, whose turn it is, and the time."""

    icount: int
    warp: int
    time_offset: int
    current: int
    quantum_left: int
    shift: int
    quantum: int
    harts: tuple[HartSnapshot, ...]


@with_fields(HART_OFFSET)
class HartState:
    """One hart: every field of cpu/layout is an attribute. Change it between instructions only."""

    if TYPE_CHECKING:
        pc: int
        priv: int
        mtimecmp: int

        def __getattr__(self, name: str) -> int: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def __init__(self, words: memoryview, address: int) -> None:
        self.words: memoryview = words
        self.address: int = address
        self.x: RegisterFile = RegisterFile(words, X_OFFSET, hardwired=True)
        self.f: RegisterFile = RegisterFile(words, F_OFFSET, hardwired=False)

    def reset(self, number: int) -> None:
        """As after power-on, but for the pc."""
        for registers in (self.x, self.f):
            registers.fill((0,) * 32)
        for name in CANONICAL_FIELDS:
            setattr(self, name, RESET_VALUES.get(name, 0))
        self.hartid = number
        if self.features & (SVADU | SVADE) == SVADU:
            self.menvcfg = ENVCFG_ADUE

    def fields(self) -> dict[str, int]:
        """The whole state by name, for digests and reports."""
        named = {f"x{i}": value for i, value in enumerate(self.x.values()) if i}
        named |= {f"f{i}": value for i, value in enumerate(self.f.values())}
        return named | self._scalars()

    def _scalars(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in CANONICAL_FIELDS}

    def save(self) -> HartSnapshot:
        return HartSnapshot(self.x.values(), self.f.values(), self._scalars())

    def restore(self, snapshot: HartSnapshot) -> None:
        self.x.fill(snapshot.x)
        self.f.fill(snapshot.f)
        for name in CANONICAL_FIELDS:
            setattr(self, name, snapshot.fields[name])


@with_fields(CLUSTER_OFFSET)
class ClusterBlock:
    """The block of memory that holds all harts, and what they share as attributes."""

    if TYPE_CHECKING:
        icount: int

        def __getattr__(self, name: str) -> int: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def __init__(self, harts: int) -> None:
        self.memory = anonymous(CLUSTER_BYTES + harts * HART_BYTES)
        self.address: int = host_address(self.memory)
        view = memoryview(self.memory)
        self.words: memoryview = view[:CLUSTER_BYTES].cast("Q")
        self.members: tuple[HartState, ...] = tuple(
            self._member(view, number) for number in range(harts)
        )
        self.harts = harts

    def _member(self, view: memoryview, number: int) -> HartState:
        start = CLUSTER_BYTES + number * HART_BYTES
        # No cached translation is valid: tags of ones.
        view[start + TLB_OFFSET : start + HART_BYTES] = b"\xff" * (HART_BYTES - TLB_OFFSET)
        hart = HartState(view[start : start + TLB_OFFSET].cast("Q"), self.address + start)
        hart.cluster = self.address
        return hart

    def save(self) -> CpuState:
        return CpuState(
            harts=tuple(hart.save() for hart in self.members),
            **{name: getattr(self, name) for name in CpuState.__struct_fields__ if name != "harts"},
        )

    def restore(self, state: CpuState) -> None:
        for name in CpuState.__struct_fields__:
            if name != "harts":
                setattr(self, name, getattr(state, name))
        for hart, snapshot in zip(self.members, state.harts, strict=True):
            hart.restore(snapshot)
