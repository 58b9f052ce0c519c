"""Images are told apart by their contents, and what cannot run here is refused with a reason."""

import gzip
import re
import struct

import pytest
import zstandard

from fakes.images import X86_64, elf, linux, linux_for_efi
from lockstep.errors import UsageError
from lockstep.machine.images import Fixed, Movable, Segment, parse_image


def zboot(payload: bytes, method: bytes) -> bytes:
    """A Linux EFI zboot file around `payload`."""
    return struct.pack("<4s4sII8x32s", b"MZ\0\0", b"zimg", 56, len(payload), method) + payload


def test_elf_says_where_its_segments_go_and_where_it_starts() -> None:
    """Physical addresses count; .bss is part of the extent."""
    data = elf((0x8000_0000, b"abc", 0x100), (0x8010_0000, b"d", 1))
    assert parse_image("kernel", data) == Fixed(
        (Segment(0x8000_0000, b"abc", 0x100), Segment(0x8010_0000, b"d", 1)), 0x8000_0000
    )


def test_elf_entry_is_translated_to_a_physical_address() -> None:
    """A kernel is linked high and loaded low."""
    high = 0xFFFF_FFFF_0000_0000
    data = elf((0x8020_0000, b"x" * 8, 8), entry=high + 0x8020_0004, virtual_offset=high)
    image = parse_image("kernel", data)
    assert isinstance(image, Fixed)
    assert image.entry == 0x8020_0004


def test_linux_image_needs_the_room_its_header_says() -> None:
    """Its .bss is not in the file."""
    data = linux(image_size=0x12345)
    assert parse_image("kernel", data) == Movable(data, 0x12345)


def test_a_linux_image_that_is_cut_short_is_refused() -> None:
    """Wherever: as a PE file it says how long it is. Otherwise it would boot, and then hang."""
    data = linux_for_efi()
    assert parse_image("kernel", data) == Movable(data, 0x1000)
    assert parse_image("kernel", data + b"more") == Movable(data + b"more", 0x1000)
    for length in range(0x3C, len(data)):
        with pytest.raises(UsageError, match="cut short") as refused:
            parse_image("kernel", data[:length])
        assert "again" in refused.value.remedy


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        lambda data: zboot(gzip.compress(data), b"gzip"),
        lambda data: zboot(zstandard.compress(data), b"zstd22"),
        lambda data: gzip.compress(gzip.compress(data)),
    ],
)
def test_packed_images_are_unpacked(pack) -> None:  # type: ignore[no-untyped-def]
    """Whatever is inside is looked at again."""
    data = linux()
    assert parse_image("kernel", pack(data)) == parse_image("kernel", data)


def test_anything_else_is_raw_code() -> None:
    """It runs where it is put."""
    assert parse_image("kernel", b"\x13\0\0\0") == Movable(b"\x13\0\0\0", 4)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (elf((0x8000_0000, b"x", 1), machine=X86_64), "ELF file for x64, 64 bits"),
        (
            b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHIIIIIHHHHHH", 2, 243, 1, *[0] * 10),
            "RISC-V, 32 bits",
        ),
        (elf((0x8000_0000, b"abcd", 4))[:-1], "cut short"),
        (elf((0x8000_0000, b"abcd", 2)), "cut short"),
        (elf(), "nothing to load"),
        (b"\x7fELF", "damaged ELF"),
        (elf((0x8000_0000, b"abcd", 4))[:70], "damaged ELF"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-9], "cut short"),
        (b"\x1f\x8b\xff\xff", "damaged gzip"),
        (zboot(b"junk", b"zstd22"), "damaged EFI kernel"),
        (zboot(b"junk", b"lzma"), "packed with lzma"),
        (b"MZ\0\0zimg", "damaged EFI kernel"),
        (b"MZ" + bytes(0x36) + b"ARMd" + bytes(64), "an arm64 kernel"),
        (bytes(0x202) + b"HdrS" + bytes(64), "an x86 kernel"),
        (b"MZ" + bytes(100), "an EFI program"),
        (b"\x27\x05\x19\x56" + bytes(100), "a U-Boot image"),
    ],
)
def test_what_cannot_run_is_refused(data: bytes, why: str) -> None:
    """By name, and with the reason."""
    with pytest.raises(UsageError, match="the kernel.*" + re.escape(why)):
        parse_image("kernel", data)


def test_every_cut_of_an_elf_is_refused_or_still_loads() -> None:
    """No other exception, wherever the file ends."""
    data = elf((0x8000_0000, b"abcd", 8))
    for end in range(1, len(data)):
        try:
            parse_image("kernel", data[:end])
        except UsageError:
            continue
