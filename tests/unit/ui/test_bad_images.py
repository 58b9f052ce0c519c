"""An image that cannot be used ends in 2 if it was named here, in 4 if it came with a recording."""

from __future__ import annotations

import hashlib
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fakes.bombs import nested, zboot, zstd_zeros
from fakes.cli import Done
from fakes.images import elf, linux
from fakes.recordings import alter_about
from lockstep.replay.codec import compress

BASE = 0x8000_0000


def absurd_elf() -> bytes:
    data = bytearray(elf((BASE, b"abcd", 8)))
    struct.pack_into("<Q", data, 32, 1 << 63)
    return bytes(data)


KERNELS = {
    "zboot that declares 1 TiB": zboot(zstd_zeros(1, 1 << 40), b"zstd22"),
    "zboot that holds 6 GiB": zboot(zstd_zeros(6 << 30, 6 << 30), b"zstd22"),
    "gzip 3,000 deep": nested(3000),
    "ELF with absurd headers": absurd_elf(),
    "ELF of 2**63 bytes": elf((BASE, b"abcd", 1 << 63)),
    "ELF that starts nowhere": elf((BASE, b"abcd", 8), entry=0),
    "ELF below RAM": elf((BASE - 4, b"abcd", 8), entry=BASE),
    "Image of 2**63 bytes": linux(image_size=1 << 63),
    "empty": b"",
}


def refused(done: Done, status: int) -> None:
    assert done.status == status, done.err
    assert "Traceback" not in done.err
    assert "remedy:" in done.err
    assert done.out == ""


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("role", ["--kernel", "--bios"])
def test_from_the_command_line(
    cli: Callable[..., Done], tmp_path: Path, kernel: str, role: str
) -> None:
    """A usage error."""
    (tmp_path / "image").write_bytes(KERNELS[kernel])
    machine = ("--bios", "none", "--memory", "16M", role, tmp_path / "image")
    refused(cli("run", *machine), 2)
    refused(cli("record", "-o", tmp_path / "r", *machine), 2)
    assert not (tmp_path / "r").exists()


def with_image(recording: Path, role: str, data: bytes) -> None:
    """Put another image into a recording, as if it had been recorded with it."""
    sha256 = hashlib.sha256(data).hexdigest()

    def change(manifest: dict[str, object]) -> None:
        manifest["machine"] = {**manifest["machine"], role: "image"}  # type: ignore[dict-item]
        others = [each for each in manifest["images"] if each["name"] != role]  # type: ignore[attr-defined]
        manifest["images"] = [*others, {"name": role, "sha256": sha256, "size": len(data)}]

    alter_about(recording, "manifest", change)
    with closing(sqlite3.connect(recording)) as file, file:
        file.execute("INSERT INTO images VALUES (?, ?, ?)", (sha256, len(data), compress(data)))


@pytest.mark.parametrize("kernel", KERNELS)
def test_from_a_recording(cli: Callable[..., Done], recording: Path, kernel: str) -> None:
    """A bad recording."""
    with_image(recording, "kernel", KERNELS[kernel])
    for verb in ("replay", "verify", "profile"):
        refused(cli(verb, recording), 4)


def test_a_device_tree_of_a_recording(cli: Callable[..., Done], recording: Path) -> None:
    """Likewise."""
    with_image(recording, "dtb", b"\xd0\x0d\xfe\xed" + b"\xff" * 100)
    refused(cli("replay", recording), 4)
    (recording.parent / "dtb").write_bytes(b"\xd0\x0d\xfe\xed" + b"\xff" * 100)
    kernel = recording.parent / "demo.elf"
    machine = ("--bios", "none", "--kernel", kernel, "--dtb", recording.parent / "dtb")
    refused(cli("run", *machine), 2)


def test_a_recording_without_images(cli: Callable[..., Done], recording: Path) -> None:
    """No machine starts from nothing."""

    def change(manifest: dict[str, object]) -> None:
        manifest["images"] = []

    alter_about(recording, "manifest", change)
    refused(cli("replay", recording), 4)
