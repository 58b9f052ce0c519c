"""The bus: from an address and a size to the register that answers.

The register tables of all devices are laid out in two dictionaries when they are attached, so an
access is one lookup and one call. The guard (the big lock) is held around each.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from lockstep.cpu.engine import BusError as BusError
from lockstep.errors import InternalError
from lockstep.machine.device import Device, Reader, Writer


class Bus:
    """All device registers of the machine. An access is keyed by `address << 4 | size`."""

    def __init__(self, guard: AbstractContextManager[object]) -> None:
        self._guard = guard
        self._readers: dict[int, Reader] = {}
        self._writers: dict[int, Writer] = {}
        self._windows: list[tuple[int, Device]] = []

    def attach(self, base: int, device: Device) -> None:
        """Let `device` answer from `base` on."""
        for other, neighbour in self._windows:
            if base < other + neighbour.span and other < base + device.span:
                raise InternalError(f"two devices claim address {max(base, other):#x}")
        self._windows.append((base, device))
        for offset, size, reader, writer in device.accesses():
            if reader is not None:
                self._readers[base + offset << 4 | size] = reader
            if writer is not None:
                self._writers[base + offset << 4 | size] = writer

    def read(self, addr: int, size: int) -> int:
        """What the guest reads at `addr`; `size` is 1, 2, 4 or 8."""
        reader = self._readers.get(addr << 4 | size)
        if reader is not None:
            with self._guard:
                return reader()
        base, device = self._window(addr, size)
        with self._guard:
            return device.read_elsewhere(addr - base, size)

    def write(self, addr: int, size: int, value: int) -> None:
        """The guest writes `value`, which fits in `size`, at `addr`."""
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

    def _window(self, addr: int, size: int) -> tuple[int, Device]:
        for base, device in self._windows:
            offset = addr - base
            if 0 <= offset < device.span:
                if size in device.reserved_sizes and offset % size == 0:
                    return base, device
                break
        raise BusError(f"no register of {size} bytes at {addr:#x}")
