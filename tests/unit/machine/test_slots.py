"""What QEMU's board has when nothing is plugged in: there to be probed, and it says so."""

from __future__ import annotations

from contextlib import nullcontext

import fdt
import pytest

from fakes.device import FakeOutlet, Guest
from fakes.harts import FakeCpu, FakeRam
from lockstep.cpu.engine import BusError
from lockstep.machine import board
from lockstep.machine.board import BoardConfig
from lockstep.machine.bus import Bus
from lockstep.machine.devices.fw_cfg import FwCfg
from lockstep.machine.devices.pflash import EmptyPflash
from lockstep.machine.dtb import make_dtb
from lockstep.machine.machine import Machine

MEMORY = 16 << 20
SIZES = (1, 2, 4, 8)
# From `qemu-system-riscv64 -M virt,dumpdtb=F`, versions 7.2 to 10.0. Not here: its counters' node.
QEMU_NODES = (
    *("fw-cfg@10100000", "flash@20000000", "platform-bus@4000000", "chosen", "poweroff", "reboot"),
    *("memory@80000000", "cpus", "soc", "soc/rtc@101000", "soc/serial@10000000"),
    *("soc/test@100000", "soc/pci@30000000", "soc/plic@c000000", "soc/clint@2000000"),
    *(f"soc/virtio_mmio@1000{n}000" for n in range(1, 9)),
)


def machine(version: int) -> tuple[Machine, Bus]:
    bus = Bus(nullcontext())
    config = BoardConfig(memory=MEMORY, kernel=b"kernel", version=version)
    ram = FakeRam(board.DRAM_BASE, MEMORY)
    return Machine(config, FakeCpu(1), ram, bus, lambda port: FakeOutlet()), bus


@pytest.mark.parametrize("number", range(8))
def test_virtio_slots_are_modern_and_empty(number: int) -> None:
    """Magic value, version 2, DeviceID 0, vendor; the rest reads 0, at any size."""
    _, bus = machine(board.VERSION)
    base = 0x1000_1000 + 0x1000 * number
    assert [bus.read(base + at, 4) for at in (0, 4, 8, 12)] == [0x74726976, 2, 0, 0x554D4551]
    assert [bus.read(base + 0x100, size) for size in SIZES] == [0] * 4
    assert bus.read(base, 1) == ord("v")
    bus.write(base + 0x70, 4, 1)
    assert bus.read(base + 0x70, 4) == 0


@pytest.mark.parametrize(
    "address",
    [0x3000_0000, 0x3FFF_FFF8, 0x0300_0000, 0x0300_FFF8, 0x4000_0000, 0x7FFF_FFF8, 0x4_0000_0000],
)
def test_pcie_has_nothing_on_its_buses(address: int) -> None:
    """Configuration space, ports and memory read as ones and take writes."""
    _, bus = machine(board.VERSION)
    for size in SIZES:
        bus.write(address, size, 0)
        assert bus.read(address, size) == (1 << 8 * size) - 1


def test_the_high_window_lies_beyond_ram() -> None:
    """As on QEMU's board: a multiple of its size."""
    assert board.pcie_high(1 << 30).base == 0x4_0000_0000
    assert board.pcie_high(14 << 30).base == 0x4_0000_0000
    assert board.pcie_high((14 << 30) + 4096).base == 0x8_0000_0000


def test_fw_cfg_is_found_and_has_no_files() -> None:
    """Signature, ID without DMA, harts and an empty directory; what is not there is zeros."""
    guest = Guest(FwCfg(3))

    def item(selector: int, *sizes: int) -> list[int]:
        guest.bus.write(8, 2, int.from_bytes(selector.to_bytes(2, "big"), "little"))
        return [guest.bus.read(0, size) for size in sizes]

    assert item(0, 1, 2, 1, 1) == [ord("Q"), int.from_bytes(b"EM", "little"), ord("U"), 0]
    assert item(0, 4, 4) == [int.from_bytes(b"QEMU", "little"), 0]
    assert item(1, 4) == [1]
    assert item(5, 2) == [3]
    assert item(0x19, 4, 8) == [0, 0]
    assert item(0x8002, 8) == [0]


def test_flash_is_erased_and_answers_a_query() -> None:
    """Two chips of 16 MiB side by side, in blocks of 128 KiB each (CFI, as QEMU's)."""
    flash = Guest(EmptyPflash(32 << 20))
    assert [flash.bus.read(0x8, size) for size in SIZES] == [(1 << 8 * n) - 1 for n in SIZES]
    flash[0x55 * 4] = 0x0098_0098
    assert [chr(flash[4 * at] & 0xFF) for at in (0x10, 0x11, 0x12)] == ["Q", "R", "Y"]
    assert flash[4 * 0x10] == 0x0051_0051
    assert flash[4 * 0x27] & 0xFF == 24
    blocks, size = (
        (flash[4 * at] & 0xFF) | (flash[4 * (at + 1)] & 0xFF) << 8 for at in (0x2D, 0x2F)
    )
    assert (blocks + 1) * size * 256 == 16 << 20
    flash[0] = 0x00FF_00FF
    assert flash[0] == 0xFFFF_FFFF


@pytest.mark.parametrize(("cycles", "status"), [((0x40, 0x12), 0x92), ((0x20, 0xD0), 0xA2)])
def test_flash_is_locked(cycles: tuple[int, int], status: int) -> None:
    """Programming and erasing fail, as of a locked block, and change nothing."""
    flash = Guest(EmptyPflash(32 << 20))
    for value in cycles:
        flash[0x100] = value
    assert flash[0] & 0xFF == status
    flash[0] = 0x50
    flash[0] = 0x70
    assert flash[0] & 0xFF == 0x80
    flash[0] = 0xFF
    assert flash[0x100] == 0xFFFF_FFFF


@pytest.mark.parametrize("address", [0x1000_1200, 0x1000_9000, 0x1010_0018, 0x2400_0000])
def test_what_is_vacant_on_qemus_board_is_vacant(address: int) -> None:
    """An access fault."""
    _, bus = machine(board.VERSION)
    with pytest.raises(BusError):
        bus.read(address, 4)


def test_the_device_tree_has_qemus_nodes() -> None:
    """All of those whose drivers find something, or find that nothing is there."""
    tree = fdt.parse_dtb(make_dtb(BoardConfig(memory=1 << 29), None, b""))
    assert [node for node in QEMU_NODES if not tree.exist_node(f"/{node}")] == []
    interrupts = list(tree.get_property("interrupt-map", "/soc/pci@30000000").data)
    assert interrupts[:6] == [0, 0, 0, 1, 1, 32]
    assert interrupts[24:30] == [0x800, 0, 0, 1, 1, 33]


def test_the_first_version_of_the_board_has_none_of_it() -> None:
    """Recordings made on it find it again: its digest's parts, its addresses, its device tree."""
    old, bus = machine(1)
    for address in (0x1000_1000, 0x3000_0000, 0x1010_0000, 0x2000_0000):
        with pytest.raises(BusError):
            bus.read(address, 4)
    names = {"rom", "finisher", "rtc", "mswi", "mtimer", "sswi", "plic", "serial0", "board"}
    assert set(old.digests().devices) == names
    tree = fdt.parse_dtb(make_dtb(BoardConfig(memory=1 << 29, version=1), None, b""))
    assert not any(tree.exist_node(f"/{node}") for node in ("flash@20000000", "soc/pci@30000000"))
    assert "zbc" not in tree.get_property("riscv,isa", "/cpus/cpu@0").value


def test_what_keeps_no_state_costs_no_digest() -> None:
    """Only fw_cfg and the flash chips' command registers are more than there was."""
    new, _ = machine(board.VERSION)
    old, _ = machine(1)
    assert set(new.digests().devices) - set(old.digests().devices) == {
        *("fw_cfg", "flash0", "flash1")
    }
