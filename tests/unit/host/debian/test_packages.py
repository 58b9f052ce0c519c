"""Taking the guests out of Debian's packages: what a kernel may be wrapped in, and where it is."""

import gzip
import struct
from pathlib import Path

import pytest
import zstandard

from lockstep.errors import UsageError
from lockstep.host.debian import packages
from lockstep.host.debian.initramfs import build_initramfs
from lockstep.host.debian.packages import from_installer, from_packages, plain_image

IMAGE = b"MZ" + bytes(54) + b"RSC\x05" + b"the kernel itself"


def zboot(method: str, payload: bytes) -> bytes:
    header = b"MZ\0\0zimg" + struct.pack("<II", 64, len(payload))
    return header.ljust(24, b"\0") + method.encode().ljust(40, b"\0") + payload + b"padding"


@pytest.mark.parametrize(
    "wrapped",
    [
        IMAGE,
        gzip.compress(IMAGE, mtime=0),
        zboot("gzip", gzip.compress(IMAGE, mtime=0)),
        zboot("zstd", zstandard.compress(IMAGE)),
    ],
    ids=["plain", "gzip", "zboot-gzip", "zboot-zstd"],
)
def test_a_kernel_is_unwrapped_to_a_plain_image(wrapped: bytes) -> None:
    """However Debian ships its kernel, what is kept is a Linux Image."""
    assert plain_image(wrapped) == IMAGE


@pytest.mark.parametrize(
    ("kernel", "words"),
    [(b"\x7fELF" + bytes(100), "not a RISC-V Linux Image"), (zboot("lz4", b""), "lz4")],
    ids=["not-an-image", "unknown-packing"],
)
def test_what_is_no_kernel_is_refused(kernel: bytes, words: str) -> None:
    """The reason is in the words."""
    with pytest.raises(UsageError, match=words):
        plain_image(kernel)


class FakeApt:
    """Packages by name, each a dictionary of files; what depends on what."""

    suite = "testing"

    def __init__(self, held: dict[str, dict[str, bytes]], needs: dict[str, list[str]]) -> None:
        self.held, self.needs = held, needs

    def update(self) -> None:
        pass

    def depends(self, package: str) -> list[str]:
        return self.needs.get(package, [])

    def download(self, package: str) -> Path:
        return Path(f"{package}_1%3a2_all.deb")


@pytest.fixture
def unpacker(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, bytes]]:
    """Packages are taken from this dictionary instead of from files."""
    held: dict[str, dict[str, bytes]] = {}

    def member(path: Path, pattern: str) -> tuple[str, bytes] | None:
        files = held[path.name.partition("_")[0]]
        return next((f for f in files.items() if packages.re.fullmatch(pattern, f[0])), None)

    monkeypatch.setattr(packages, "member", member)
    return held


FIRMWARE = {"usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin": b"firmware"}


def test_the_meta_package_leads_to_the_kernel(unpacker: dict[str, dict[str, bytes]]) -> None:
    """It names the current version, which may be split into further packages."""
    unpacker |= {
        "busybox-static": {"usr/bin/busybox": b"static"},
        "opensbi": FIRMWARE,
        "linux-image-9.1-riscv64": {},
        "linux-binary-9.1-riscv64": {"usr/lib/modules/9.1-riscv64/vmlinuz": IMAGE},
    }
    needs = {
        "linux-image-riscv64": ["linux-base", "linux-image-9.1-riscv64"],
        "linux-image-9.1-riscv64": ["linux-base", "linux-binary-9.1-riscv64"],
    }
    found = from_packages(FakeApt(unpacker, needs))  # type: ignore[arg-type]
    assert found.kernel == (IMAGE, "linux-binary-9.1-riscv64_1:2_all")
    assert found.firmware[0] == b"firmware"
    assert found.busybox[0] == b"static"
    assert found.libraries == {}


def test_the_installer_has_a_kernel_and_programs(unpacker: dict[str, dict[str, bytes]]) -> None:
    """Its busybox is not static, so its libraries come along, and nothing else does."""
    initrd = build_initramfs(b"dynamic", libraries={"riscv64-linux-gnu/libc.so.6": b"libc"})
    unpacker |= {
        "opensbi": FIRMWARE,
        packages.INSTALLER_META: {"x/riscv64/linux": IMAGE, "x/riscv64/initrd.gz": initrd},
    }
    found = from_installer(FakeApt(unpacker, {}))  # type: ignore[arg-type]
    assert found.kernel[0] == IMAGE
    assert found.busybox[0] == b"dynamic"
    assert {name: held[0] for name, held in found.libraries.items()} == {"libc.so.6": b"libc"}


def test_a_rearranged_package_is_reported_with_a_remedy(
    unpacker: dict[str, dict[str, bytes]],
) -> None:
    """If a file is not where it was, the user can still bring their own."""
    unpacker |= {"busybox-static": {}, "opensbi": FIRMWARE}
    with pytest.raises(UsageError, match="busybox-static") as refused:
        from_packages(FakeApt(unpacker, {}))  # type: ignore[arg-type]
    assert "--kernel" in refused.value.remedy
