"""Images are told apart by their contents, and what cannot run here is refused with a reason."""

import gzip
import random
import re
import struct
import tracemalloc

import pytest
import zstandard

from fakes.bombs import nested, zboot, zstd_zeros
from fakes.images import X86_64, elf, linux, linux_for_efi
from lockstep.errors import UsageError
from lockstep.machine.images import LIMIT, MOST_LAYERS, Fixed, Movable, Segment, parse_image


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


MIB = 1 << 20
BOMBS = {
    "zstd that declares its size": zboot(zstd_zeros(6 << 30, 6 << 30), b"zstd22"),
    "zstd that declares 1 TiB": zboot(zstd_zeros(1, 1 << 40), b"zstd22"),
    "zstd that does not say": zboot(zstd_zeros(6 << 30), b"zstd22"),
    "gzip": gzip.compress(bytes(70 * MIB), 1),
    "gzip in many members": gzip.compress(bytes(MIB), 1) * 70,
    "gzip in an EFI kernel": zboot(gzip.compress(bytes(70 * MIB), 1), b"gzip"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_unpacks_to_too_much_is_refused_before_it_has(bomb: str) -> None:
    """Whatever it declares, no more memory is taken than the limit, but for a few pieces."""
    limit = 64 * MIB
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match=r"enormous|damaged"):
            parse_image("kernel", BOMBS[bomb], limit)
        assert tracemalloc.get_traced_memory()[1] < limit * 3 // 2
    finally:
        tracemalloc.stop()


def test_the_limit_is_stated() -> None:
    """A gibibyte, for whatever is unpacked."""
    assert LIMIT == 1 << 30
    with pytest.raises(UsageError, match="more than 1,073,741,824 bytes"):
        parse_image("kernel", BOMBS["zstd that declares its size"])


@pytest.mark.parametrize("depth", [MOST_LAYERS + 1, 3000])
def test_what_is_packed_many_times_over_is_refused(depth: int) -> None:
    """Kernels are packed once or twice, and nothing here recurses."""
    with pytest.raises(UsageError, match="packed more than 4 times"):
        parse_image("kernel", nested(depth))
    assert parse_image("kernel", nested(MOST_LAYERS)) == Movable(b"\x13\0\0\0", 4)


def test_gzip_files_may_be_joined_and_padded() -> None:
    """As gzip itself has it: RFC 1952, 2.2, and what follows is ignored."""
    two = gzip.compress(b"\x13\0") + gzip.compress(b"\0\0")
    assert parse_image("kernel", two + bytes(512)) == Movable(b"\x13\0\0\0", 4)
    for end in range(3, len(two) // 2):
        with pytest.raises(UsageError, match=r"cut short|damaged"):
            parse_image("kernel", two[:end])


def test_every_cut_of_a_zstd_frame_is_refused() -> None:
    """Also of one without its size and without a checksum."""
    packer = zstandard.ZstdCompressor(level=1, write_content_size=False)
    whole = packer.compress(linux() * 3)
    for end in range(len(whole)):
        with pytest.raises(UsageError, match="damaged EFI kernel"):
            parse_image("kernel", zboot(whole[:end], b"zstd"))
        with pytest.raises(UsageError, match="damaged EFI kernel"):
            parse_image("kernel", zboot(whole, b"zstd")[: 56 + end])


def patched(offset: int, layout: str, *values: int) -> bytes:
    """An ELF file of one segment with some fields of its headers changed."""
    data = bytearray(elf((0x8000_0000, b"abcd", 8)))
    struct.pack_into(layout, data, offset, *values)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (patched(32, "<Q", 1 << 63), "its program headers are not in the file"),
        (patched(32, "<Q", (1 << 64) - 1), "its program headers are not in the file"),
        (patched(32, "<Q", 2000), "its program headers are not in the file"),
        (patched(54, "<H", 8), "its program headers are not in the file"),
        (patched(54, "<H", 65535), "its program headers are not in the file"),
        (patched(56, "<H", 65535), "it has 65,535 program headers"),
        (patched(56, "<H", 1000), "its program headers are not in the file"),
        (patched(64 + 8, "<Q", 1 << 63), "a segment is cut short"),
        (patched(64 + 32, "<Q", (1 << 64) - 1), "its segments have more than 1,073,741,824 bytes"),
    ],
)
def test_an_elf_file_with_absurd_headers_is_refused(data: bytes, why: str) -> None:
    """Before anything is read where they say."""
    with pytest.raises(UsageError, match="damaged ELF file: " + why):
        parse_image("kernel", data)


@pytest.mark.parametrize("value", [0, 1 << 63, (1 << 64) - 1])
def test_the_sections_of_an_elf_file_do_not_matter(value: int) -> None:
    """Nothing of them is loaded, so nothing of them is read."""
    sound = parse_image("kernel", elf((0x8000_0000, b"abcd", 8)))
    assert parse_image("kernel", patched(40, "<Q", value)) == sound
    assert parse_image("kernel", patched(58, "<HHH", *[value & 0xFFFF] * 3)) == sound


def test_segments_that_share_the_file_many_times_over_are_refused() -> None:
    """A thousand of a megabyte each would be a gigabyte, from a file of one."""
    segments = 1000
    data = bytearray(elf(*[(0x8000_0000, b"", 1)] * segments)) + bytes(2 * MIB)
    for n in range(segments):
        struct.pack_into("<QQQQQ", data, 64 + 56 * n + 8, 0, 0, 0, 2 * MIB, 2 * MIB)
    with pytest.raises(UsageError, match="its segments have more than"):
        parse_image("kernel", bytes(data))


BASE = 0x8000_0000


def linked_by_text(below: int = 0x1000, junk: bytes = b"", memsz: int | None = None) -> bytes:
    """As `ld -Ttext=0x80000000` does it: one segment, that begins with the headers below RAM."""
    size = below + 8
    data = bytearray(elf((BASE - below, b"", size if memsz is None else memsz)))
    struct.pack_into("<Q", data, 64 + 8, 0)
    struct.pack_into("<Q", data, 64 + 32, size)
    return bytes(data) + junk.ljust(below - len(data), b"\0") + b"code" * 2


def test_headers_below_ram_are_not_loaded() -> None:
    """Nobody reads them there, and the linker puts them there unasked."""
    assert parse_image("kernel", linked_by_text()) == Fixed((Segment(BASE, b"code" * 2, 8),), BASE)
    assert parse_image("kernel", linked_by_text(memsz=0x2000)) == Fixed(
        (Segment(BASE, b"code" * 2, 0x1000),), BASE
    )


def test_a_segment_of_nothing_but_headers_and_notes_is_left_out() -> None:
    """Where the linker adds a build-id, and makes a segment of it."""
    code = (BASE, b"code", 4)
    data = bytearray(elf((0x10000, b"", 300), code, (0x10000 + 300 - 16, b"", 16)))
    struct.pack_into("<QQQQ", data, 64 + 8, 0, 0x10000, 0x10000, 300)
    struct.pack_into("<I", data, 64 + 2 * 56, 4)  # PT_NOTE
    struct.pack_into("<Q", data, 64 + 2 * 56 + 8, 284)
    struct.pack_into("<Q", data, 64 + 2 * 56 + 32, 16)
    struct.pack_into("<Q", data, 64 + 56 + 8, 300)
    whole = bytes(data[: 64 + 3 * 56]).ljust(284, b"\0") + b"note" * 4 + b"code"
    assert parse_image("kernel", whole) == Fixed((Segment(BASE, b"code", 4),), BASE)


@pytest.mark.parametrize(
    "data",
    [
        linked_by_text(junk=b"data"),
        linked_by_text(below=1 << 17),
        elf((BASE - 0x1000, b"code" * 1024, 0x1000)),
        elf((BASE - 0x1000, b"", 0x2000)),
    ],
)
def test_anything_else_below_ram_stays_in_its_segment(data: bytes) -> None:
    """It would be missed: whoever lays out the memory refuses it."""
    image = parse_image("kernel", data)
    assert isinstance(image, Fixed)
    assert image.segments[0].address < BASE


def test_a_wrapping_and_what_is_in_it_are_bounded_together() -> None:
    """Both are held while one is unpacked."""
    twice = gzip.compress(gzip.compress(random.Random(1).randbytes(3 * MIB), 0), 0)
    assert isinstance(parse_image("kernel", twice, 7 * MIB), Movable)
    with pytest.raises(UsageError, match="enormous"):
        parse_image("kernel", twice, 5 * MIB)


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("method", [b"zstd22", b"gzip"])
def test_what_fits_is_held_once(method: bytes, declared: bool) -> None:
    """And not in pieces and as a whole, too."""
    size = 48 * MIB
    packed = gzip.compress(bytes(size), 1) if method == b"gzip" else zstd_zeros(size, size)
    if method == b"zstd22" and not declared:
        packed = zstd_zeros(size)
    tracemalloc.start()
    try:
        image = parse_image("kernel", zboot(packed, method))
        assert isinstance(image, Movable)
        assert image.extent == size
        assert tracemalloc.get_traced_memory()[1] < size * 3 // 2
    finally:
        tracemalloc.stop()
