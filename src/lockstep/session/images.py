"""Image files: read before a run, and found again, unchanged, before a replay."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from lockstep.errors import BadRecording, UsageError
from lockstep.host.guests import guests_directory
from lockstep.session.config import BIOS_DEFAULT, BIOS_NONE, MachineConfig

ROLES: Final = ("bios", "kernel", "initrd", "dtb")

_FIRMWARE: Final = "fw_dynamic.bin"
_SYSTEM_FIRMWARE: Final = (
    "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin",
    "/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin",
)


class ImageFile(msgspec.Struct, frozen=True):
    """The contents of an image, by what it is for."""

    role: str
    path: str
    data: bytes
    sha256: str


def load_images(config: MachineConfig) -> tuple[MachineConfig, tuple[ImageFile, ...]]:
    """Read every image; the configuration returned names them by absolute path."""
    paths = {role: getattr(config, role) for role in ROLES}
    paths["bios"] = _firmware(config.bios)
    found = {role: str(Path(path).absolute()) for role, path in paths.items() if path is not None}
    images = tuple(_load(role, path) for role, path in found.items())
    return msgspec.structs.replace(config, **{"bios": BIOS_NONE, **found}), images


def reload_images(
    config: MachineConfig,
    expected: Mapping[str, str],
    embedded: Callable[[str], bytes | None],
) -> tuple[ImageFile, ...]:
    """The images of a recording: `expected` has the hash of each role."""
    return tuple(
        _reload(role, str(getattr(config, role, None)), sha256, embedded(sha256))
        for role, sha256 in expected.items()
    )


def _load(role: str, path: str) -> ImageFile:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(
            f"the {role} {path} cannot be read: {error.strerror}",
            remedy=f"check the path given with --{role}",
        ) from None
    return ImageFile(role, path, data, _sha256(data))


def _reload(role: str, path: str, sha256: str, data: bytes | None) -> ImageFile:
    if role not in ROLES:
        raise BadRecording(f"the recording has an image for {role!r}, which no machine here has")
    where = f"the {role} of the recording, {path},"
    if data is None:
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise BadRecording(
                f"{where} cannot be read: {error.strerror}",
                remedy=f"put the file with SHA-256 {sha256} back there",
            ) from None
    if (actual := _sha256(data)) != sha256:
        raise BadRecording(
            f"{where} has changed since: its SHA-256 was {sha256} and is {actual}",
            remedy="put the file that was recorded back, or record again with this one",
        )
    return ImageFile(role, path, data, sha256)


def _firmware(bios: str) -> str | None:
    """The path of the firmware, None for none."""
    if bios == BIOS_NONE:
        return None
    if bios != BIOS_DEFAULT:
        return bios
    for path in (str(guests_directory() / _FIRMWARE), *_SYSTEM_FIRMWARE):
        if Path(path).is_file():
            return path
    raise UsageError(
        "there is no OpenSBI firmware on this host",
        remedy="run `lockstep guests fetch`, give --bios FILE, or --bios none for a bare machine",
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
