"""QEMU's firmware configuration device, as its board has it when nobody configures anything.

QEMU's docs/specs/fw_cfg. A 16-bit selector, big-endian, chooses an item; each read of the data
register takes its next bytes. There is no DMA, and the item ID says so.
"""

from __future__ import annotations

import msgspec

from lockstep.machine.board import Window
from lockstep.machine.device import Device, reads, writes
from lockstep.machine.tree import Tree, cells

SIGNATURE, ID, CPUS, FILES = 0x0000, 0x0001, 0x0005, 0x0019
TRADITIONAL = 1  # of ID: there are selector and data; bit 1 would be DMA


class FwCfgState(msgspec.Struct, frozen=True):
    """The item selected, and how many of its bytes were read."""

    selector: int = SIGNATURE
    position: int = 0


class FwCfg(Device):
    """The items that every board has; all others are empty."""

    State = FwCfgState
    span = 0x18
    reserved_sizes = (1, 2, 4, 8)
    selector: int
    position: int

    def __init__(self, harts: int) -> None:
        self.items = {
            SIGNATURE: b"QEMU",
            ID: TRADITIONAL.to_bytes(4, "little"),
            CPUS: harts.to_bytes(2, "little"),
            FILES: (0).to_bytes(4, "big"),
        }
        super().__init__()

    @reads(0x0, 1)
    def data_byte(self) -> int:
        """The next byte of the item, 0 after its end."""
        return self._take(1)

    @reads(0x0, 2)
    def data_half(self) -> int:
        """The next two bytes, as they would lie in memory."""
        return self._take(2)

    @reads(0x0, 4)
    def data_word(self) -> int:
        """The next four bytes."""
        return self._take(4)

    @reads(0x0, 8)
    def data_double(self) -> int:
        """The next eight bytes."""
        return self._take(8)

    def _take(self, size: int) -> int:
        start, item = self.position, self.items.get(self.selector, b"")
        self.position = min(start + size, len(item))
        return int.from_bytes(item[start : start + size], "little")

    @writes(0x8, 2)
    def select(self, value: int) -> None:
        """Choose an item, and begin at its beginning."""
        self.selector = int.from_bytes(value.to_bytes(2, "little"), "big")
        self.position = 0


def node(window: Window) -> Tree:
    """Its place in the device tree."""
    return {
        f"fw-cfg@{window.base:x}": {
            "compatible": "qemu,fw-cfg-mmio",
            "reg": cells(*window),
            "dma-coherent": None,
        }
    }
