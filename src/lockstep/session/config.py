"""What a machine is made of: the options of `run` and `record`, and the manifest of a recording."""

import re
from typing import Any, Final, Literal

import msgspec

from lockstep.errors import BadRecording, UsageError

MIB: Final = 1 << 20
PAGE: Final = 4096
LEAST_MEMORY: Final = 1 * MIB
MOST_MEMORY: Final = 1 << 38
MOST_HARTS: Final = 8
MOST_SHIFT: Final = 10
MOST_QUANTUM: Final = 1 << 32
DIGEST_EVERY: Final = 500_000_000
PARANOID_EVERY: Final = 100_000

BIOS_DEFAULT: Final = "default"
BIOS_NONE: Final = "none"

_UNITS: Final = {"": MIB, "K": 1 << 10, "M": MIB, "G": 1 << 30, "T": 1 << 40}


class MachineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A machine, as far as the guest can tell; images are named by path, see `images`.

    `shift`: an instruction takes 2**shift ns of virtual time. `seed`: the clock and entropy are
    computed from this number, and the host is not asked.
    """

    memory: int = 512 * MIB
    smp: int = 1
    shift: int = 2
    quantum: int = 20_000
    engine: Literal["auto", "interp", "reference"] = "auto"
    idle: Literal["real", "skip"] = "real"
    seed: int | None = None
    append: str = ""
    bios: str = BIOS_DEFAULT
    kernel: str | None = None
    initrd: str | None = None
    dtb: str | None = None

    def check(self) -> None:
        """Refuse what cannot be built, with what to do instead."""
        _within("--smp", self.smp, 1, MOST_HARTS, "harts")
        _within("--shift", self.shift, 0, MOST_SHIFT, "(a power of two of nanoseconds)")
        _within("quantum", self.quantum, 1, MOST_QUANTUM, "instructions")
        _within("--memory", self.memory, LEAST_MEMORY, MOST_MEMORY, "bytes")
        if self.memory % PAGE:
            raise UsageError(
                f"--memory: {self.memory:,} bytes are not whole pages of {PAGE} bytes",
                remedy="give a size in megabytes, such as 512M",
            )
        if self.seed is not None and not -(1 << 63) <= self.seed < 1 << 63:
            raise UsageError(
                f"--seed {self.seed} does not fit in 64 bits", remedy="give a smaller number"
            )
        if self.append and self.kernel is None:
            raise UsageError("--append needs a kernel to pass it to", remedy="give --kernel")
        if self.initrd is not None and self.kernel is None:
            raise UsageError("--initrd needs a kernel that reads it", remedy="give --kernel")


_FIELDS: Final = frozenset(MachineConfig.__struct_fields__)


def parse_size(text: str, option: str = "--memory") -> int:
    """Bytes, from "512M", "1G" or "128" (MiB, as QEMU has it)."""
    match = re.fullmatch(r"(\d{1,15})([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if match is None:
        raise UsageError(f"{option} {text} is not a size", remedy="write it as 512M or 2G")
    return int(match[1]) * _UNITS[match[2].upper()]


def config_from_manifest(machine: dict[str, Any]) -> MachineConfig:
    """The machine that a recording was made with."""
    # What is not used is null, and may be unknown here.
    unknown = [name for name in machine if name not in _FIELDS and machine[name] is not None]
    try:
        if unknown:
            raise UsageError(f"{', '.join(unknown)} is not known")
        config = msgspec.convert(machine, MachineConfig)
        config.check()
    except (msgspec.ValidationError, UsageError) as error:
        raise BadRecording(
            f"the recording describes a machine that cannot be built: {error}",
            remedy="Replay it with the version of lockstep that recorded it, or a newer one.",
        ) from error
    return config


def _within(option: str, value: int, least: int, most: int, what: str) -> None:
    if not least <= value <= most:
        raise UsageError(
            f"{option} {value:,} is not possible",
            remedy=f"between {least:,} and {most:,} {what}",
        )
