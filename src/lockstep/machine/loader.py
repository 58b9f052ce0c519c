"""Where everything goes before the first instruction, and what the first instruction finds.

Placement is QEMU's: firmware at the start of RAM, the kernel at the next 2 MiB (or, without
firmware, at the start itself), the initrd half of RAM but at most 512 MiB behind it, the device
tree at the highest 2 MiB boundary it fits above, below 3 GiB.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import pairwise
from typing import Final, NamedTuple

from lockstep.errors import UsageError
from lockstep.machine.board import DRAM_BASE, PAGE, ROM, BoardConfig
from lockstep.machine.dtb import Initrd
from lockstep.machine.images import LIMIT, Movable, Segment, parse_image

MIB: Final = 1 << 20
KERNEL_ALIGN: Final = 2 * MIB
INITRD_FARTHEST: Final = 512 * MIB
DTB_CEILING: Final = 3072 * MIB
MOST_MEMORY: Final = 1 << 40
MOST_USEFUL: Final = 1 << 38
"""What is not in so many bytes of RAM is not worth a remedy that asks for more."""

# OpenSBI's docs/firmware/fw_dynamic.md: struct fw_dynamic_info.
DYNAMIC_MAGIC: Final = 0x4942534F
DYNAMIC_VERSION: Final = 2
NEXT_MODE_S: Final = 1


class Placed(NamedTuple):
    """A named segment in RAM."""

    name: str
    segment: Segment

    @property
    def end(self) -> int:
        return self.segment.address + self.segment.extent


class Boot(NamedTuple):
    """What reset writes to RAM and ROM, and the registers every hart starts with."""

    placed: tuple[Placed, ...]
    rom: bytes
    entry: int
    dtb: int
    info: int


def plan_boot(config: BoardConfig, make_dtb: Callable[[Initrd | None], bytes]) -> Boot:
    """Lay out all images of `config`. What does not fit or overlaps is a UsageError."""
    if config.bios is None and config.kernel is None:
        raise UsageError("there is nothing to run", remedy="give --kernel, --bios or both")
    placed: list[Placed] = []
    entry = next_entry = DRAM_BASE
    if config.bios is not None:
        entry = _place(placed, "firmware", config.bios, DRAM_BASE)
    if config.kernel is not None:
        free = _align_up(max((p.end for p in placed), default=DRAM_BASE), KERNEL_ALIGN)
        next_entry = _place(placed, "kernel", config.kernel, free)
        if config.bios is None:
            entry = next_entry
    initrd = None
    if config.initrd is not None:
        initrd = _place_initrd(placed, config, next_entry)
    dtb = _place_dtb(placed, config, make_dtb(initrd))
    _check(placed, config)
    for name, at in (("firmware", entry), ("kernel", next_entry)):
        _check_entry(name, at, placed)
    next_entry = next_entry if config.kernel is not None else 0
    return Boot(tuple(placed), _dynamic_info(next_entry), entry, dtb, ROM.base)


def _place(placed: list[Placed], name: str, data: bytes, free: int) -> int:
    """Place an image, at `free` if it does not care; return its entry point."""
    image = parse_image(name, data, LIMIT - sum(len(p.segment.data) for p in placed))
    if isinstance(image, Movable):
        placed.append(Placed(name, Segment(free, image.data, image.extent)))
        return free
    placed.extend(Placed(name, segment) for segment in image.segments)
    return image.entry


def _place_initrd(placed: list[Placed], config: BoardConfig, kernel: int) -> Initrd:
    data = config.initrd or b""
    if not data:
        raise UsageError("the initrd is empty", remedy="check the file's name and size")
    start = kernel + min(config.memory // 2, INITRD_FARTHEST)
    behind = max((p.end for p in placed), default=DRAM_BASE)
    start = _align_up(max(start, behind), PAGE)
    placed.append(Placed("initrd", Segment(start, data, len(data))))
    return Initrd(start, start + len(data))


def _place_dtb(placed: list[Placed], config: BoardConfig, data: bytes) -> int:
    top = min(DRAM_BASE + config.memory, DTB_CEILING)
    address = (top - len(data)) & ~(2 * MIB - 1)
    placed.append(Placed("device tree", Segment(address, data, len(data))))
    return address


def _check(placed: list[Placed], config: BoardConfig) -> None:
    top = DRAM_BASE + config.memory
    for item in placed:
        _check_inside(item, top, placed)
    in_order = sorted(placed, key=lambda p: p.segment.address)
    for one, two in pairwise(in_order):
        if one.end > two.segment.address:
            raise UsageError(
                f"the {one.name} and the {two.name} overlap at {two.segment.address:#x}",
                remedy=f"{_more(placed, top)}, or link them apart",
            )


def _check_inside(item: Placed, top: int, placed: list[Placed]) -> None:
    start = item.segment.address
    if item.name != "device tree" and not DRAM_BASE <= start < DRAM_BASE + MOST_MEMORY:
        raise UsageError(
            f"the {item.name} wants to be at {start:#x}, where there can be no RAM",
            remedy=f"link it at {DRAM_BASE:#x} or above, or give its raw binary (Image, .bin)",
        )
    if start < DRAM_BASE or item.end > top:
        raise UsageError(
            f"the {item.name} does not fit: it needs {item.segment.extent:,} bytes "
            f"from {start:#x}, and RAM ends at {top:#x}",
            remedy=_more(placed, top),
        )


def _check_entry(name: str, at: int, placed: list[Placed]) -> None:
    """That an image starts in itself: what starts in nothing would take access faults for ever."""
    own = [p.segment for p in placed if p.name == name]
    if not own or (any(s.address <= at < s.address + s.extent for s in own) and not at % 2):
        return
    raise UsageError(
        f"the {name} starts at {at:#x}, where none of its instructions can be",
        remedy="link it with its entry point in its code (ENTRY of the linker script, or ld -e)",
    )


def _more(placed: list[Placed], top: int) -> str:
    """The remedy: as much RAM as would do, a power of two and more than there is now."""
    # Twice, because the initrd goes half way up.
    needed = max(2 * sum(p.segment.extent for p in placed) + 16 * MIB, top - DRAM_BASE + 1)
    if needed > MOST_USEFUL:
        return "check what it says of its size; no machine here has so much RAM"
    return f"give --memory {max(1, 1 << ((needed - 1) // MIB).bit_length())}M or more"


def _dynamic_info(next_entry: int) -> bytes:
    """magic, version, next_addr, next_mode, options, boot_hart."""
    return struct.pack("<6Q", DYNAMIC_MAGIC, DYNAMIC_VERSION, next_entry, NEXT_MODE_S, 0, 0)


def _align_up(value: int, alignment: int) -> int:
    return -(-value // alignment) * alignment
