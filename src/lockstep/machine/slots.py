"""What the board has beyond its own devices, as a table: QEMU's `virt` when nothing is plugged in.

Each slot says where it is, what answers there and what the device tree says of it. Drivers probe
these addresses because QEMU's device tree names them; each answers that nothing is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lockstep.machine import board
from lockstep.machine.board import BoardConfig, Window
from lockstep.machine.device import Device
from lockstep.machine.devices import fw_cfg, pcie, pflash, virtio_mmio
from lockstep.machine.tree import PLIC_PHANDLE, Tree, cells


class Placed(NamedTuple):
    """A device at its address."""

    name: str
    base: int
    device: Device


class Slot(NamedTuple):
    """Devices, and the node that tells of them; `in_soc` if it is one of the soc's."""

    devices: tuple[Placed, ...]
    node: Tree
    in_soc: bool


def slots(config: BoardConfig) -> Iterator[Slot]:
    """The slots of a board. The first version had none."""
    if config.version < 2:
        return
    for number, (window, irq) in enumerate(zip(board.VIRTIO_MMIO, board.VIRTIO_IRQS, strict=True)):
        empty = Placed(f"virtio{number}", window.base, virtio_mmio.EmptyVirtioMmio())
        yield Slot((empty,), virtio_mmio.node(window, irq), in_soc=True)
    yield _pcie(board.pcie_high(config.memory))
    firmware = Placed("fw_cfg", board.FW_CFG.base, fw_cfg.FwCfg(config.harts))
    yield Slot((firmware,), fw_cfg.node(board.FW_CFG), in_soc=False)
    banks = tuple(
        Placed(f"flash{number}", base, pflash.EmptyPflash(size))
        for number, (base, size) in enumerate(board.FLASH)
    )
    yield Slot(banks, pflash.node(*board.FLASH), in_soc=False)
    yield Slot((), _platform_bus(board.PLATFORM_BUS), in_soc=False)


def _pcie(high: Window) -> Slot:
    windows = (board.PCIE_ECAM, board.PCIE_PORTS, board.PCIE_LOW, high)
    empty = tuple(
        Placed(f"pcie{number}", base, pcie.EmptyPcieWindow(size))
        for number, (base, size) in enumerate(windows)
    )
    return Slot(empty, pcie.node(*windows, board.PCIE_IRQS), in_soc=True)


def _platform_bus(window: Window) -> Tree:
    """A bus for devices that are plugged in; without one, its addresses are vacant."""
    return {
        f"platform-bus@{window.base:x}": {
            "compatible": ("qemu,platform", "simple-bus"),
            "interrupt-parent": PLIC_PHANDLE,
            "#address-cells": 1,
            "#size-cells": 1,
            "ranges": (0, *cells(window.base), window.size),
        }
    }
