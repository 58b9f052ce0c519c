"""The board on one page: what is where, and what a board may be made of.

QEMU's riscv64 `virt`, so that what boots there boots here and the two can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple


class Window(NamedTuple):
    """A range of physical addresses."""

    base: int
    size: int


FINISHER: Final = Window(0x0010_0000, 0x1000)
RTC: Final = Window(0x0010_1000, 0x1000)
ROM: Final = Window(0x0000_1000, 0xF000)
CLINT: Final = Window(0x0200_0000, 0x10000)
MSWI: Final = Window(CLINT.base, 0x4000)
MTIMER: Final = Window(CLINT.base + 0x4000, 0x8000)
SSWI: Final = Window(0x02F0_0000, 0x4000)
PLIC: Final = Window(0x0C00_0000, 0x60_0000)
UART: Final = Window(0x1000_0000, 0x100)
VIRTIO_MMIO: Final = tuple(Window(0x1000_1000 + 0x1000 * n, 0x1000) for n in range(8))
FW_CFG: Final = Window(0x1010_0000, 0x18)
FLASH: Final = (Window(0x2000_0000, 0x200_0000), Window(0x2200_0000, 0x200_0000))
PCIE_PORTS: Final = Window(0x0300_0000, 0x1_0000)
PCIE_ECAM: Final = Window(0x3000_0000, 0x1000_0000)
PCIE_LOW: Final = Window(0x4000_0000, 0x4000_0000)
PCIE_HIGH_SIZE: Final = 16 << 30
PLATFORM_BUS: Final = Window(0x0400_0000, 0x200_0000)
DRAM_BASE: Final = 0x8000_0000

PLIC_SOURCES: Final = 95
UART_IRQ: Final = 10
RTC_IRQ: Final = 11
VIRTIO_IRQS: Final = tuple(range(1, 9))
PCIE_IRQS: Final = (32, 33, 34, 35)

# Interrupt numbers of a hart: bits of mip (Priv. spec 3.1.9).
SSIP, MSIP, STIP, MTIP, SEIP, MEIP = 1, 3, 5, 7, 9, 11

TIMEBASE_HZ: Final = 10_000_000
UART_CLOCK_HZ: Final = 3_686_400
CACHE_BLOCK: Final = 64
MAX_HARTS: Final = 8

PAGE: Final = 4096

ISA_BASE: Final = "rv64i"
ISA_LETTERS: Final = "imafdc"
ISA_EXTENSIONS: Final = (
    *("zicbom", "zicboz", "zicntr", "zicsr", "zifencei", "zihintpause"),
    *("zba", "zbb", "zbc", "zbs", "sstc"),
)

VERSION: Final = 2
"""Of what a guest finds on a board of the same options, as QEMU's versioned machines.

1: page walks never set A and D, and the device tree does not say who does; cache-block management
asks of no address what is there. Nothing is at the addresses that `slots` is about, the UART's
transmitter is a level, and the harts have no Zbc.
"""


@dataclass(frozen=True, kw_only=True)
class BoardConfig:
    """Everything a machine starts from. Images are contents, not names of files."""

    memory: int
    """Bytes of RAM."""
    harts: int = 1
    version: int = VERSION
    svade: bool = False
    """Page walks set A and D only if software asks for it (menvcfg.ADUE)."""
    shift: int = 0
    """An instruction takes 2**shift nanoseconds of virtual time."""
    engine: str = "interp"
    quantum: int = 20_000
    bios: bytes | None = None
    """Firmware, started in M-mode. Without it the kernel is."""
    kernel: bytes | None = None
    initrd: bytes | None = None
    dtb: bytes | None = None
    """Replaces the generated device tree."""
    bootargs: str = ""
    rng_seed: bytes = b""
    """Entropy for the device tree; what it says after a reset is derived from it."""
    no_reboot: bool = False
    """Whatever would reset the machine ends it."""
    kaslr: bool = False
    """Let the kernel choose its virtual address from a seed in the device tree."""

    @property
    def extensions(self) -> tuple[str, ...]:
        """The names of all that harts have beyond letters, as far as the device tree has them."""
        if self.version < 2:
            return tuple(name for name in ISA_EXTENSIONS if name != "zbc")
        return (*ISA_EXTENSIONS, *(("svade",) if self.svade else ()), "svadu")


def pcie_high(memory: int) -> Window:
    """PCIe's window for 64-bit addresses: the first multiple of its size beyond RAM."""
    end = DRAM_BASE + memory
    return Window(-(-end // PCIE_HIGH_SIZE) * PCIE_HIGH_SIZE, PCIE_HIGH_SIZE)
