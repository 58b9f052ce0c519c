"""Harts that never execute, and their RAM: what a machine needs to be looked at standing still."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from lockstep.cpu.pagehash import PageHashes

PAGE = 4096


class FakeRam:
    """RAM that remembers which pages were written."""

    def __init__(self, base: int, size: int) -> None:
        self.base, self.size = base, size
        self.view = memoryview(bytearray(size))
        self._dirty: set[int] = set()

    def write(self, addr: int, data: bytes) -> None:
        start = addr - self.base
        self.view[start : start + len(data)] = data
        if data:
            self._dirty.update(range(start // PAGE, (start + len(data) - 1) // PAGE + 1))

    def read(self, addr: int, size: int) -> bytes:
        return bytes(self.view[addr - self.base : addr - self.base + size])

    def dirty_pages(self) -> list[int]:
        return sorted(self._dirty)

    def rehash(self, hashes: PageHashes) -> None:
        hashes.rehash(self.view, self.dirty_pages())

    def clear_dirty(self) -> None:
        self._dirty.clear()


class FakeCpu:
    """Registers, interrupt bits and a time that the test sets."""

    def __init__(self, harts: int = 1) -> None:
        self.icount = 0
        self.virtual_ns = 0
        self.time_offset = 0
        self.stops = 0
        self.turn = (0, 0)
        self.known: tuple[int, int, int] | None = None
        self.harts = [SimpleNamespace(hartid=h) for h in range(harts)]
        self.reset(0, {})

    @property
    def mtime(self) -> int:
        return self.virtual_ns // 100 + self.time_offset

    @mtime.setter
    def mtime(self, ticks: int) -> None:
        self.time_offset += ticks - self.mtime

    def map_mtime(self, addr: int) -> None:
        self.mtime_at = addr

    def know(self, addr: int, size: int, value: int) -> None:
        self.known = (addr, size, value)

    def forget(self) -> None:
        self.known = None

    def request_stop(self) -> None:
        self.stops += 1

    def set_irq(self, hart: int, bit: int, level: bool) -> None:
        self.harts[hart].mip = self.harts[hart].mip & ~(1 << bit) | level << bit

    def reset(self, pc: int, regs: Mapping[int, int]) -> None:
        for hart in self.harts:
            hart.pc, hart.mip, hart.mtimecmp = pc, 0, (1 << 64) - 1
            hart.x = {**regs, 10: hart.hartid}

    def save(self) -> Any:
        harts = [{**vars(hart), "x": list(hart.x.items())} for hart in self.harts]
        return harts, self.virtual_ns

    def restore(self, state: Any) -> None:
        for hart, fields in zip(self.harts, state[0], strict=True):
            vars(hart).update(fields, x=dict(fields["x"]))
        self.virtual_ns = state[1]

    def hart_fields(self, hart: int) -> dict[str, int]:
        fields = vars(self.harts[hart])
        return {name: value for name, value in fields.items() if isinstance(value, int)}
