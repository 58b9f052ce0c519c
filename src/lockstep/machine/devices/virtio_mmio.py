"""An empty virtio-mmio slot: a transport with no device behind it, which drivers pass by.

Virtio 1.2, 4.2.2: a driver looks at the magic value and the version, and where DeviceID is 0 it
leaves all other registers alone. It is the modern transport (version 2).
"""

from __future__ import annotations

import msgspec

from lockstep.machine.board import Window
from lockstep.machine.device import Device
from lockstep.machine.tree import PLIC_PHANDLE, Tree, cells

MAGIC, VERSION, NO_DEVICE, VENDOR = b"virt", 2, 0, b"QEMU"
REGISTERS = MAGIC + VERSION.to_bytes(4, "little") + NO_DEVICE.to_bytes(4, "little") + VENDOR


class VirtioMmioState(msgspec.Struct, frozen=True):
    """Nothing."""


class EmptyVirtioMmio(Device):
    """Says what it is, at any size as QEMU's does, and ignores what is written."""

    State = VirtioMmioState
    kept = False
    span = 0x200
    reserved_sizes = (1, 2, 4, 8)

    def read_elsewhere(self, offset: int, size: int) -> int:
        return int.from_bytes(REGISTERS[offset : offset + size], "little")


def node(window: Window, irq: int) -> Tree:
    """Its place in the device tree."""
    return {
        f"virtio_mmio@{window.base:x}": {
            "compatible": "virtio,mmio",
            "reg": cells(*window),
            "interrupts": irq,
            "interrupt-parent": PLIC_PHANDLE,
        }
    }
