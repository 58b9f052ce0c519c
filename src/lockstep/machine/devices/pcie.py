"""A PCIe host bridge with nothing on its buses: its windows read as ones.

PCI Express Base Specification 5.0, 2.3.2: a configuration request that nobody completes reads as
all ones, which says that no function is there; host bridges answer so to any other read, too.
"""

from __future__ import annotations

import msgspec

from lockstep.machine.board import Window
from lockstep.machine.device import Device
from lockstep.machine.tree import PLIC_PHANDLE, Tree, Value, cells

PORTS, MEMORY_32, MEMORY_64 = 0x0100_0000, 0x0200_0000, 0x0300_0000
BUSES = 256
SLOT_SHIFT = 11  # of a device's number in the first cell of an address
PINS = 4


class PcieState(msgspec.Struct, frozen=True):
    """Nothing."""


class EmptyPcieWindow(Device):
    """Ones for every read; what is written is lost."""

    State = PcieState
    kept = False
    reserved_sizes = (1, 2, 4, 8)

    def __init__(self, span: int) -> None:
        self.span = span
        super().__init__()

    def read_elsewhere(self, offset: int, size: int) -> int:
        return (1 << 8 * size) - 1


def node(
    ecam: Window, ports: Window, low: Window, high: Window, irqs: tuple[int, ...]
) -> dict[str, Value]:
    """The bridge in the device tree (bindings: PCI Bus Binding to IEEE 1275-1994)."""
    bridge: Tree = {
        "compatible": "pci-host-ecam-generic",
        "device_type": "pci",
        "reg": cells(*ecam),
        "#address-cells": 3,
        "#size-cells": 2,
        "#interrupt-cells": 1,
        "linux,pci-domain": 0,
        "bus-range": (0, BUSES - 1),
        "dma-coherent": None,
        "ranges": (
            *(PORTS, *cells(0, *ports)),
            *(MEMORY_32, *cells(low.base, *low)),
            *(MEMORY_64, *cells(high.base, *high)),
        ),
        "interrupt-map-mask": (0x3 << SLOT_SHIFT, 0, 0, 0x7),
        "interrupt-map": _swizzled(irqs),
    }
    return {f"pci@{ecam.base:x}": bridge}


def _swizzled(irqs: tuple[int, ...]) -> tuple[int, ...]:
    """Which line each pin of a device drives: neighbours begin with another one."""
    entries = (
        (slot << SLOT_SHIFT, 0, 0, pin + 1, PLIC_PHANDLE, irqs[(slot + pin) % PINS])
        for slot in range(PINS)
        for pin in range(PINS)
    )
    return tuple(cell for entry in entries for cell in entry)
