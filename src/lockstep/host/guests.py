"""The guests of the tests and the examples: Debian's riscv64 kernel, busybox and OpenSBI.

`fetch_guests` brings them through apt (see `lockstep.host.debian`) into the user's cache, once, and
writes down where each came from and its SHA-256.
"""

import fcntl
import gzip
import hashlib
import os
import re
import shutil
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import zstandard

from lockstep.errors import UsageError
from lockstep.host.debian import Apt, member
from lockstep.host.initramfs import build_initramfs

SUITE = "trixie"
ARCHITECTURE = "riscv64"
KERNEL_META = "linux-image-riscv64"
KERNEL_PACKAGE = r"linux-(image|binary)-\d.*"
KERNEL_FILE = r"boot/vmlinu[xz]-.*|usr/lib/modules/[^/]+/vmlinu[xz]"
BUSYBOX_FILE = r"(usr/)?bin/busybox"
FIRMWARE_FILE = r"usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic\.bin"
IMAGE_MAGIC = b"RSC\x05"  # at offset 56 (Documentation/arch/riscv/boot-image-header.rst)
ZBOOT_MAGIC = b"zimg"  # at offset 4 (drivers/firmware/efi/libstub/zboot-header.S)
GZIP_MAGIC = b"\x1f\x8b"

Progress = Callable[[str], None]


class GuestFile(msgspec.Struct, frozen=True):
    """One file of the set: its digest, and the package (name, version) that it comes from."""

    sha256: str
    size: int
    package: str


class Manifest(msgspec.Struct, frozen=True):
    """What `manifest.json` says: the suite, and every file by name."""

    suite: str
    files: dict[str, GuestFile]


class GuestSet(msgspec.Struct, frozen=True):
    """Where the guests are. `kernel` is a Linux Image, `bios` OpenSBI's fw_dynamic."""

    kernel: Path
    initrd: Path
    bios: Path
    busybox: Path
    manifest: Manifest


def guests_directory(suite: str = SUITE) -> Path:
    """Where the guests of a suite are kept: $XDG_CACHE_HOME/lockstep/guests/SUITE."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "lockstep" / "guests" / suite


def fetch_guests(progress: Progress, suite: str = SUITE, *, refresh: bool = False) -> GuestSet:
    """Return the guests, fetching what is not there yet. Safe to call from several processes."""
    directory = guests_directory(suite)
    directory.mkdir(parents=True, exist_ok=True)
    with _alone_in(directory):
        present = None if refresh else find_guests(suite)
        return present or _fetch(progress, suite, directory)


def find_guests(suite: str = SUITE) -> GuestSet | None:
    """The guests if they are there and whole, else None. Touches no network."""
    directory = guests_directory(suite)
    try:
        manifest = msgspec.json.decode((directory / "manifest.json").read_bytes(), type=Manifest)
        whole = all(
            hashlib.sha256((directory / name).read_bytes()).hexdigest() == file.sha256
            for name, file in manifest.files.items()
        )
    except (OSError, msgspec.DecodeError):
        return None
    return _guest_set(directory, manifest) if whole else None


def _guest_set(directory: Path, manifest: Manifest) -> GuestSet:
    return GuestSet(
        kernel=directory / "Image",
        initrd=directory / "initramfs.cpio.gz",
        bios=directory / "fw_dynamic.bin",
        busybox=directory / "busybox",
        manifest=manifest,
    )


def _fetch(progress: Progress, suite: str, directory: Path) -> GuestSet:
    """Bring the packages, take out the files we need, and write the manifest last."""
    progress(f"reading the package index of Debian {suite} ({ARCHITECTURE})")
    apt = Apt(directory / "apt", suite, ARCHITECTURE)
    apt.update()
    progress("fetching busybox")
    busybox, busybox_package = _take(apt, ["busybox-static"], BUSYBOX_FILE)
    progress("fetching OpenSBI")
    firmware, firmware_package = _take(apt, ["opensbi"], FIRMWARE_FILE)
    progress("fetching the kernel")
    kernel, kernel_package = _take(apt, _kernel_packages(apt), KERNEL_FILE)
    contents = {
        "Image": (plain_image(kernel), kernel_package),
        "fw_dynamic.bin": (firmware, firmware_package),
        "busybox": (busybox, busybox_package),
        "initramfs.cpio.gz": (build_initramfs(busybox), busybox_package),
    }
    files: dict[str, GuestFile] = {}
    for name, (data, package) in contents.items():
        _write(directory / name, data)
        files[name] = GuestFile(hashlib.sha256(data).hexdigest(), len(data), package)
    manifest = Manifest(suite, files)
    _write(directory / "manifest.json", msgspec.json.format(msgspec.json.encode(manifest)))
    shutil.rmtree(apt.root)  # ten times the size of what was wanted
    progress(f"the guests are ready: {kernel_package}, {firmware_package}, {busybox_package}")
    return _guest_set(directory, manifest)


def _kernel_packages(apt: Apt) -> list[str]:
    """The packages that may hold the kernel itself: the meta package names its current version."""
    images = [name for name in apt.depends(KERNEL_META) if re.fullmatch(KERNEL_PACKAGE, name)]
    parts = [name for image in images for name in apt.depends(image)]
    return images + [name for name in parts if re.fullmatch(KERNEL_PACKAGE, name)]


def _take(apt: Apt, packages: list[str], pattern: str) -> tuple[bytes, str]:
    """The first file of these packages whose path matches, and the package it was in."""
    for package in packages:
        path = apt.download(package)
        found = member(path, pattern)
        path.unlink()
        if found is not None:
            return found[1], path.stem.replace("%3a", ":")
    raise UsageError(
        f"no file like {pattern} in the packages {', '.join(packages) or '(none)'} of {apt.suite}",
        remedy="the packages may have been rearranged; pass --kernel, --initrd and --bios yourself",
    )


def plain_image(kernel: bytes) -> bytes:
    """A Linux Image, out of whatever wrapping Debian gives its kernel (none, gzip or EFI zboot)."""
    if kernel[4:8] == ZBOOT_MAGIC:
        start, size = struct.unpack_from("<II", kernel, 8)
        method = kernel[24:56].split(b"\0")[0].decode("ascii", "replace")
        payload = kernel[start : start + size]
        if method not in ("gzip", "zstd"):
            raise UsageError(f"the kernel is packed with {method}, which is not understood")
        kernel = gzip.decompress(payload) if method == "gzip" else _zstd(payload)
    elif kernel[:2] == GZIP_MAGIC:
        kernel = gzip.decompress(kernel)
    if kernel[56:60] != IMAGE_MAGIC:
        raise UsageError("the fetched kernel is not a RISC-V Linux Image")
    return kernel


def _zstd(payload: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(payload)


def _write(path: Path, data: bytes) -> None:
    """Replace a file at one stroke: readers see the old one or the new one, whole."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(data)
    unfinished.replace(path)


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Hold the directory against other processes that fetch into it."""
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
