"""Which Debian packages hold our guests, and how to take the files out of them.

There are two ways. The plain one: the riscv64 suite's kernel, busybox-static and OpenSBI. The
other, for when a mirror's riscv64 index cannot be had or does not verify: the suite's riscv64
installer, a package for all architectures, with the same kernel and a busybox in its initrd.
Both end in files that apt has verified by Debian's keys.
"""

import gzip
import re
import struct
from collections.abc import Mapping
from typing import NamedTuple

import zstandard

from lockstep.errors import UsageError
from lockstep.host.debian.apt import Apt, member
from lockstep.host.debian.initramfs import files_of

KERNEL_META = "linux-image-riscv64"
KERNEL_PACKAGE = r"linux-(image|binary)-\d.*"
KERNEL_FILE = r"boot/vmlinu[xz]-.*|usr/lib/modules/[^/]+/vmlinu[xz]"
BUSYBOX_FILE = r"(usr/)?bin/busybox"
FIRMWARE_FILE = r"usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic\.bin"
INSTALLER_META = "debian-installer-13-netboot-riscv64"
INSTALLER_KERNEL = r".*/riscv64/linux"
INSTALLER_INITRD = r".*/riscv64/initrd\.gz"
LIBRARY_FILE = r"(usr/)?lib/riscv64-linux-gnu/(libc\.so\.6|libresolv\.so\.2|ld-linux-.*\.so\.1)"
IMAGE_MAGIC = b"RSC\x05"  # at offset 56 (Documentation/arch/riscv/boot-image-header.rst)
ZBOOT_MAGIC = b"zimg"  # at offset 4 (drivers/firmware/efi/libstub/zboot-header.S)
GZIP_MAGIC = b"\x1f\x8b"

Held = tuple[bytes, str]  # a file's contents, and the package it was in


class Found(NamedTuple):
    """The guests, taken out of their packages."""

    kernel: Held
    firmware: Held
    busybox: Held
    libraries: Mapping[str, Held]


def from_packages(apt: Apt) -> Found:
    """The suite's kernel, and a busybox that needs no libraries. `apt` is for riscv64."""
    apt.update()
    busybox = _take(apt, ["busybox-static"], BUSYBOX_FILE)
    firmware = _take(apt, ["opensbi"], FIRMWARE_FILE)
    kernel, package = _take(apt, _kernel_packages(apt), KERNEL_FILE)
    return Found((plain_image(kernel), package), firmware, busybox, {})


def from_installer(apt: Apt) -> Found:
    """The installer's kernel and the programs of its initrd. `apt` is for this machine's own."""
    apt.update()
    firmware = _take(apt, ["opensbi"], FIRMWARE_FILE)
    kernel, package = _take(apt, [INSTALLER_META], INSTALLER_KERNEL)
    initrd, _ = _take(apt, [INSTALLER_META], INSTALLER_INITRD)
    programs = {
        path.rpartition("/")[2]: (data, package)
        for path, data in files_of(gzip.decompress(initrd))
        if re.fullmatch(f"{BUSYBOX_FILE}|{LIBRARY_FILE}", path)
    }
    busybox = programs.pop("busybox")
    return Found((plain_image(kernel), package), firmware, busybox, programs)


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


def _kernel_packages(apt: Apt) -> list[str]:
    """The packages that may hold the kernel itself: the meta package names its current version."""
    images = [name for name in apt.depends(KERNEL_META) if re.fullmatch(KERNEL_PACKAGE, name)]
    parts = [name for image in images for name in apt.depends(image)]
    return images + [name for name in parts if re.fullmatch(KERNEL_PACKAGE, name)]


def _take(apt: Apt, packages: list[str], pattern: str) -> Held:
    """The first file of these packages whose path matches, and the package it was in."""
    for package in packages:
        path = apt.download(package)
        found = member(path, pattern)
        if found is not None:
            return found[1], path.stem.replace("%3a", ":")
    raise UsageError(
        f"no file like {pattern} in the packages {', '.join(packages) or '(none)'} of {apt.suite}",
        remedy="the packages may have been rearranged; pass --kernel, --initrd and --bios yourself",
    )
