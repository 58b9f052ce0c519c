"""What a machine asks of the cpu floor, and the ACLINT's view of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class HartTimer(Protocol):
    """The part of a hart that a device may touch."""

    mtimecmp: int


class Hart(HartTimer, Protocol):
    """And what those may look at who only watch."""

    pc: int
    priv: int


class Processor(Protocol):
    """All harts together. `lockstep.cpu.engine.Cpu` is one."""

    mtime: int

    @property
    def icount(self) -> int: ...
    @property
    def virtual_ns(self) -> int: ...
    @property
    def turn(self) -> tuple[int, int]: ...
    @property
    def harts(self) -> Sequence[Hart]: ...
    def map_mtime(self, addr: int) -> None: ...
    def know(self, addr: int, size: int, value: int) -> None: ...
    def forget(self) -> None: ...
    def request_stop(self) -> None: ...
    def watch(self, address: int) -> None: ...
    def set_irq(self, hart: int, bit: int, level: bool) -> None: ...
    def reset(self, pc: int, regs: Mapping[int, int]) -> None: ...
    def save(self) -> Any: ...
    def restore(self, state: Any) -> None: ...
    def change_engine(self, name: str) -> None: ...
    def hart_fields(self, hart: int) -> Mapping[str, int]: ...


class Timebase:
    """Time in ticks and the comparators, as MTIMER shows them."""

    def __init__(self, cpu: Processor) -> None:
        self._cpu = cpu

    def ticks(self) -> int:
        return self._cpu.mtime

    def set_ticks(self, value: int) -> None:
        self._cpu.mtime = value

    def compare(self, hart: int) -> int:
        return self._cpu.harts[hart].mtimecmp

    def set_compare(self, hart: int, value: int) -> None:
        self._cpu.harts[hart].mtimecmp = value
