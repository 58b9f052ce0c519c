"""The bus: from an address and a size to the register that answers.

The register tables of all devices are laid out in two dictionaries when they are attached, so an
access is one lookup and one call. The guard (the big lock) is held around each.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from lockstep.cpu.engine import BusError as BusError
from lockstep.errors import InternalError
from lockstep.machine.device import Device, Reader, Writer


class Harts(Protocol):
    """Those who read, as far as they can do so without the bus."""

    def know(self, addr: int, size: int, value: int) -> None: ...
    def forget(self) -> None: ...


class Bus:
    """All device registers of the machine. An access is keyed by `address << 4 | size`."""

    def __init__(self, guard: AbstractContextManager[object]) -> None:
        self._guard = guard
        self._readers: dict[int, Reader] = {}
        self._writers: dict[int, Writer] = {}
        self._polled: set[int] = set()
        self._windows: list[tuple[int, Device]] = []
        self._last: tuple[int, int] | None = None
        self._harts: Harts | None = None
        self._stored: Callable[[int, int], None] | None = None

    def inform(self, harts: Harts) -> None:
        """Tell `harts` what they need not ask again (see `device.polled`)."""
        self._harts = harts

    def attach(self, base: int, device: Device) -> None:
        """Let `device` answer from `base` on."""
        for other, neighbour in self._windows:
            if base < other + neighbour.span and other < base + device.span:
                raise InternalError(f"two devices claim address {max(base, other):#x}")
        self._windows.append((base, device))
        for offset, size, reader, writer, polled in device.accesses():
            if reader is not None:
                self._readers[base + offset << 4 | size] = reader
                if polled:
                    self._polled.add(base + offset << 4 | size)
            if writer is not None:
                self._writers[base + offset << 4 | size] = writer

    def read(self, addr: int, size: int) -> int:
        """What the guest reads at `addr`; `size` is 1, 2, 4 or 8."""
        key = addr << 4 | size
        reader = self._readers.get(key)
        if reader is not None:
            with self._guard:
                value = reader()
            if key in self._polled:
                self._note(key, value)
            elif self._last is not None:
                self.changed()
            return value
        self.changed()
        base, device = self._window(addr, size)
        with self._guard:
            return device.read_elsewhere(addr - base, size)

    def write(self, addr: int, size: int, value: int) -> None:
        """The guest writes `value`, which fits in `size`, at `addr`."""
        if self._last is not None:
            self.changed()
        writer = self._writers.get(addr << 4 | size)
        if writer is not None:
            with self._guard:
                writer(value)
            return
        base, device = self._window(addr, size)
        with self._guard:
            device.write_elsewhere(addr - base, size, value)

    def probe(self, addr: int, size: int) -> None:
        """The guest manages `size` bytes of cache at `addr`: there is something if a window is."""
        if not any(base < addr + size and addr < base + d.span for base, d in self._windows):
            raise BusError(f"nothing in the {size} bytes at {addr:#x}")

    def changed(self) -> None:
        """Something happened to a device, or may have: what was read may read otherwise."""
        if self._last is not None and self._harts is not None:
            self._harts.forget()
        self._last = None

    def _note(self, key: int, value: int) -> None:
        if self._last != (key, value):
            self.changed()
            self._last = (key, value)
        elif self._harts is not None:
            self._harts.know(key >> 4, key & 0xF, value)

    def watch(self, stored: Callable[[int, int], None]) -> None:
        """Tell `stored` of stores to the words of main memory that the processor watches."""
        self._stored = stored

    def stored(self, addr: int, size: int) -> None:
        """The guest is about to store to `size` bytes at `addr` of what is watched."""
        if self._stored is not None:
            with self._guard:
                self._stored(addr, size)

    def _window(self, addr: int, size: int) -> tuple[int, Device]:
        for base, device in self._windows:
            offset = addr - base
            if 0 <= offset < device.span:
                if size in device.reserved_sizes and offset % size == 0:
                    return base, device
                break
        raise BusError(f"no register of {size} bytes at {addr:#x}")
