"""The device tree: the board as the firmware and the kernel are told of it.

Bindings as in Linux's Documentation/devicetree/bindings; names and addresses as QEMU's `virt`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import fdt

from lockstep.errors import UsageError
from lockstep.machine import board
from lockstep.machine.board import BoardConfig, Window
from lockstep.machine.images.tree import check_tree
from lockstep.machine.slots import slots
from lockstep.machine.tree import (
    FIRST_CPU_PHANDLE,
    PLIC_PHANDLE,
    SYSCON_PHANDLE,
    Tree,
    Value,
    cells,
    grow,
)


class Initrd(NamedTuple):
    """Where the initial file system lies."""

    start: int
    end: int


def make_dtb(config: BoardConfig, initrd: Initrd | None, seed: bytes) -> bytes:
    """The flattened tree for this boot: generated, or the given one with this boot's `chosen`."""
    if config.dtb is not None:
        return _amended(config, initrd)
    tree = fdt.FDT(entries=[])
    grow(tree.root, _machine(config) | {"chosen": _chosen(config, initrd, seed)})
    return bytes(tree.to_dtb(version=17, last_comp_version=16, boot_cpuid_phys=0))


def _amended(config: BoardConfig, initrd: Initrd | None) -> bytes:
    """A blob from the user is taken as it is, but for what this boot adds to it."""
    blob = config.dtb or b""
    check_tree(blob)
    added: dict[str, Value] = {}
    if config.bootargs:
        added["bootargs"] = config.bootargs
    if initrd is not None:
        added |= _initrd_range(initrd)
    return _with_chosen(blob, added) if added else blob


def _with_chosen(blob: bytes, added: Tree) -> bytes:
    # All trees of the library that are not given a list of reserved ranges share one: what an
    # earlier boot reserved would be reserved in this one, too.
    fdt.FDT().entries.clear()
    try:
        tree = fdt.parse_dtb(blob)
        chosen = tree.get_node("/chosen", create=True)
        for name in added:
            chosen.remove_property(name)
        grow(chosen, added)
        return bytes(tree.to_dtb())
    except Exception as error:  # The library raises whatever its calls run into.
        raise UsageError(
            f"the device tree blob cannot be added to: {error}",
            remedy="compile it with dtc -O dtb",
        ) from error


def _chosen(config: BoardConfig, initrd: Initrd | None, seed: bytes) -> dict[str, Value]:
    chosen: dict[str, Value] = {"stdout-path": f"/soc/serial@{board.UART.base:x}"}
    if config.bootargs:
        chosen["bootargs"] = config.bootargs
    if initrd is not None:
        chosen |= _initrd_range(initrd)
    if seed:
        chosen["rng-seed"] = seed
    if seed and config.kaslr:
        chosen["kaslr-seed"] = hashlib.sha256(b"kaslr-seed" + seed).digest()[:8]
    return chosen


def _initrd_range(initrd: Initrd) -> dict[str, Value]:
    return {
        "linux,initrd-start": cells(initrd.start),
        "linux,initrd-end": cells(initrd.end),
    }


def _machine(config: BoardConfig) -> dict[str, Value]:
    return {
        "#address-cells": 2,
        "#size-cells": 2,
        "compatible": "riscv-virtio",
        "model": "riscv-virtio,qemu",
        "aliases": {"serial0": f"/soc/serial@{board.UART.base:x}"},
        f"memory@{board.DRAM_BASE:x}": {
            "device_type": "memory",
            "reg": cells(board.DRAM_BASE, config.memory),
        },
        "cpus": _cpus(config.harts, config.extensions),
        "soc": _soc(config.harts) | _nodes(config, in_soc=True),
        "poweroff": _syscon("syscon-poweroff", 0x5555),
        "reboot": _syscon("syscon-reboot", 0x7777),
        **_nodes(config, in_soc=False),
    }


def _nodes(config: BoardConfig, *, in_soc: bool) -> dict[str, Value]:
    """The nodes of the board's slots, where QEMU has them."""
    nodes: dict[str, Value] = {}
    for slot in slots(config):
        if slot.in_soc == in_soc:
            nodes |= slot.node
    return nodes


def _cpus(harts: int, extensions: Sequence[str]) -> dict[str, Value]:
    cpus: dict[str, Value] = {
        "#address-cells": 1,
        "#size-cells": 0,
        "timebase-frequency": board.TIMEBASE_HZ,
    }
    cores: dict[str, Value] = {}
    for hart in range(harts):
        phandle = FIRST_CPU_PHANDLE + 2 * hart
        cpus[f"cpu@{hart:x}"] = _cpu(hart, phandle, extensions)
        cores[f"core{hart}"] = {"cpu": phandle}
    return cpus | {"cpu-map": {"cluster0": cores}}


def _cpu(hart: int, phandle: int, extensions: Sequence[str]) -> Tree:
    return {
        "phandle": phandle,
        "device_type": "cpu",
        "reg": hart,
        "status": "okay",
        "compatible": "riscv",
        "riscv,isa": f"rv64{board.ISA_LETTERS}_{'_'.join(extensions)}",
        "riscv,isa-base": board.ISA_BASE,
        "riscv,isa-extensions": (*board.ISA_LETTERS, *extensions),
        "riscv,cbom-block-size": board.CACHE_BLOCK,
        "riscv,cboz-block-size": board.CACHE_BLOCK,
        "mmu-type": "riscv,sv57",
        "interrupt-controller": {
            "#interrupt-cells": 1,
            "interrupt-controller": None,
            "compatible": "riscv,cpu-intc",
            "phandle": phandle + 1,
        },
    }


def _soc(harts: int) -> dict[str, Value]:
    return {
        "#address-cells": 2,
        "#size-cells": 2,
        "compatible": "simple-bus",
        "ranges": None,
        **_node("test", board.FINISHER, _finisher()),
        **_node("rtc", board.RTC, _wired("google,goldfish-rtc", board.RTC_IRQ)),
        **_node("clint", board.CLINT, _clint(harts)),
        **_node("sswi", board.SSWI, _sswi(harts)),
        **_node("plic", board.PLIC, _plic(harts)),
        **_node("serial", board.UART, _serial()),
    }


def _node(name: str, window: Window, rest: Tree) -> dict[str, Value]:
    return {f"{name}@{window.base:x}": {"reg": cells(*window), **rest}}


def _wired(compatible: str, irq: int) -> dict[str, Value]:
    return {"compatible": compatible, "interrupts": irq, "interrupt-parent": PLIC_PHANDLE}


def _serial() -> Tree:
    return {**_wired("ns16550a", board.UART_IRQ), "clock-frequency": board.UART_CLOCK_HZ}


def _finisher() -> Tree:
    return {"compatible": ("sifive,test1", "sifive,test0", "syscon"), "phandle": SYSCON_PHANDLE}


def _syscon(compatible: str, value: int) -> Tree:
    return {"compatible": compatible, "regmap": SYSCON_PHANDLE, "offset": 0, "value": value}


def _clint(harts: int) -> Tree:
    return {
        "compatible": ("sifive,clint0", "riscv,clint0"),
        "interrupts-extended": _hart_lines(harts, board.MSIP, board.MTIP),
    }


def _sswi(harts: int) -> Tree:
    return {
        "compatible": "riscv,aclint-sswi",
        "interrupts-extended": _hart_lines(harts, board.SSIP),
        "interrupt-controller": None,
        "#interrupt-cells": 0,
    }


def _plic(harts: int) -> Tree:
    return {
        "compatible": ("sifive,plic-1.0.0", "riscv,plic0"),
        "phandle": PLIC_PHANDLE,
        "riscv,ndev": board.PLIC_SOURCES,
        "interrupts-extended": _hart_lines(harts, board.MEIP, board.SEIP),
        "interrupt-controller": None,
        "#address-cells": 0,
        "#interrupt-cells": 1,
    }


def _hart_lines(harts: int, *bits: int) -> tuple[int, ...]:
    """For each hart its interrupt controller's phandle with each of these interrupt numbers."""
    intcs = (FIRST_CPU_PHANDLE + 2 * hart + 1 for hart in range(harts))
    return tuple(cell for intc in intcs for bit in bits for cell in (intc, bit))
