"""Everything has its place, as in QEMU, or there is an error that says what to do."""

import struct

import pytest

from fakes.images import elf, linux
from lockstep.errors import UsageError
from lockstep.machine.board import BoardConfig
from lockstep.machine.dtb import Initrd
from lockstep.machine.loader import MIB, Boot, plan_boot

DTB = b"\xd0\x0d\xfe\xed" + bytes(3000)
BASE = 0x8000_0000


def plan(**options: object) -> tuple[Boot, list[Initrd | None]]:
    """A boot, and what the device tree was told of the initrd."""
    told: list[Initrd | None] = []

    def make(initrd: Initrd | None) -> bytes:
        told.append(initrd)
        return DTB

    config = BoardConfig(**{"memory": 512 * MIB, **options})  # type: ignore[arg-type]
    return plan_boot(config, make), told


def places(boot: Boot) -> dict[str, int]:
    return {p.name: p.segment.address for p in boot.placed}


def test_placement_is_qemus() -> None:
    """Firmware first, kernel 2 MiB on, initrd half way up, device tree near the end."""
    boot, told = plan(bios=b"f" * 300_000, kernel=linux(), initrd=b"i" * 5000)
    assert places(boot) == {
        "firmware": BASE,
        "kernel": BASE + 2 * MIB,
        "initrd": BASE + 258 * MIB,
        "device tree": BASE + 510 * MIB,
    }
    assert told == [Initrd(BASE + 258 * MIB, BASE + 258 * MIB + 5000)]


def test_harts_start_in_the_firmware_which_is_told_of_the_kernel() -> None:
    """struct fw_dynamic_info: magic, version, next_addr, next_mode, options, boot_hart."""
    boot, _ = plan(bios=b"firmware", kernel=b"kernel")
    assert boot.entry == BASE
    assert boot.dtb == BASE + 510 * MIB
    assert struct.unpack("<6Q", boot.rom) == (0x4942534F, 2, BASE + 2 * MIB, 1, 0, 0)


def test_without_firmware_harts_start_in_the_kernel() -> None:
    """Raw code at the start of RAM; an ELF file at its own entry."""
    assert plan(kernel=b"kernel")[0].entry == BASE
    assert plan(kernel=elf((BASE + 64, b"x" * 8, 8), entry=BASE + 68))[0].entry == BASE + 68


def test_firmware_alone_is_told_of_no_kernel() -> None:
    """next_addr is 0."""
    assert struct.unpack("<6Q", plan(bios=b"firmware")[0].rom)[2] == 0


def test_the_initrd_keeps_clear_of_a_large_kernel() -> None:
    """Half way up is not enough if the kernel reaches further."""
    boot, _ = plan(memory=64 * MIB, kernel=linux(image_size=40 * MIB), initrd=b"i")
    assert places(boot)["initrd"] == BASE + 40 * MIB


def test_the_device_tree_stays_below_three_gib() -> None:
    """However much RAM there is."""
    boot, _ = plan(memory=4096 * MIB, kernel=b"kernel")
    assert boot.dtb == 0xC000_0000 - 2 * MIB


@pytest.mark.parametrize(
    ("options", "why", "remedy"),
    [
        ({}, "nothing to run", "--kernel"),
        (
            {"kernel": linux(image_size=20 * MIB), "memory": 16 * MIB},
            "kernel does not fit",
            "--memory 64M",
        ),
        (
            {"kernel": b"k", "initrd": bytes(9 * MIB), "memory": 16 * MIB},
            "initrd does not fit",
            "--memory 64M",
        ),
        (
            {"kernel": b"k", "memory": 1 * MIB},
            "the kernel and the device tree overlap",
            "--memory 32M",
        ),
        ({"kernel": b"k", "initrd": b""}, "initrd is empty", "file"),
        ({"kernel": elf((0x1000, b"x", 1))}, "kernel wants to be at 0x1000", "link it"),
        ({"kernel": elf((0xFFFF_FFFF_8000_0000, b"x", 1))}, "there can be no RAM", "link it"),
        (
            {"bios": b"f" * 99, "kernel": elf((BASE, b"x", 1))},
            "firmware and the kernel overlap",
            "apart",
        ),
        ({"kernel": elf((BASE, b"x", 1 << 63))}, "kernel does not fit", "check what it says"),
        ({"kernel": elf((BASE, b"x", (1 << 64) - 1))}, "does not fit", "check what it says"),
        ({"kernel": linux(image_size=1 << 63)}, "kernel does not fit", "check what it says"),
        ({"kernel": elf(((1 << 64) - 16, b"x", 32))}, "there can be no RAM", "link it"),
        ({"kernel": elf((BASE, b"x" * 8, 8), (BASE + 4, b"y", 1))}, "overlap", "apart"),
        ({"kernel": elf((BASE, b"x" * 8, 8), entry=BASE + 8)}, "starts at 0x80000008", "ENTRY"),
        ({"kernel": elf((BASE, b"x" * 8, 8), entry=BASE + 1)}, "starts at 0x80000001", "ENTRY"),
        ({"kernel": elf((BASE, b"x" * 8, 8), entry=0)}, "kernel starts at 0x0", "ENTRY"),
        ({"bios": elf((BASE, b"x" * 8, 8), entry=0)}, "firmware starts at 0x0", "ENTRY"),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, object], why: str, remedy: str) -> None:
    """With a remedy that helps."""
    with pytest.raises(UsageError, match=why) as caught:
        plan(**options)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "options",
    [
        {"kernel": linux(image_size=20 * MIB), "memory": 64 * MIB},
        {"kernel": b"k", "initrd": bytes(9 * MIB), "memory": 64 * MIB},
        {"kernel": b"k", "memory": 32 * MIB},
    ],
)
def test_the_remedies_help(options: dict[str, object]) -> None:
    """The sizes that the errors above recommend."""
    plan(**options)
