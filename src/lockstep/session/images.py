"""Image files: read before a run, and wrong ones told by whose fault that is."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from lockstep.errors import BadRecording, HostFailure, UsageError, blame
from lockstep.host.guests import guests_directory
from lockstep.host.plainfile import read_plain
from lockstep.machine.images import LIMIT
from lockstep.places.trust import check_directory
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
    found = image_paths(config)
    images = tuple(_load(role, path) for role, path in found.items())
    return msgspec.structs.replace(config, **{"bios": BIOS_NONE, **found}), images


def image_paths(config: MachineConfig) -> dict[str, str]:
    """Where the images of a new machine are, by what they are for."""
    paths = {role: getattr(config, role) for role in ROLES}
    paths["bios"] = _firmware(config.bios)
    return {role: str(Path(path).absolute()) for role, path in paths.items() if path is not None}


def _load(role: str, path: str) -> ImageFile:
    try:
        data = read_plain(path, LIMIT)
    except OSError as error:
        raise blame(error, UsageError)(
            f"the {role} {path} cannot be read: {error.strerror}",
            remedy=f"check the path given with --{role}; it takes a plain file",
        ) from None
    except MemoryError:
        raise no_memory(f"the {role} {path}") from None
    return ImageFile(role, path, data, _sha256(data))


@contextmanager
def from_recording() -> Iterator[None]:
    """What is wrong with the images of a recording is wrong with the recording."""
    try:
        yield
    except UsageError as error:
        raise BadRecording(
            f"the machine of the recording cannot be built: {error.message}",
            remedy="Get the recording again from where it was made.",
        ) from error


def no_memory(what: str) -> HostFailure:
    """The error for `what` the host cannot hold."""
    return HostFailure(
        f"the host has not enough memory for {what}", remedy="It takes a host with more memory."
    )


def _firmware(bios: str) -> str | None:
    """The path of the firmware, None for none."""
    if bios == BIOS_NONE:
        return None
    if bios != BIOS_DEFAULT:
        return bios
    for path in (*_fetched_firmware(), *_SYSTEM_FIRMWARE):
        if Path(path).is_file():
            return path
    raise UsageError(
        "there is no OpenSBI firmware on this host",
        remedy="run `lockstep guests fetch`, give --bios FILE, or --bios none for a bare machine",
    )


def _fetched_firmware() -> Iterator[str]:
    """That of the guests, unless others can write there."""
    with suppress(HostFailure, OSError):
        directory = guests_directory()
        check_directory(directory)
        yield str(directory / _FIRMWARE)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
