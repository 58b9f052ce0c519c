"""What a machine is made of: the options of `run` and `record`, and the manifest of a recording."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from lockstep.errors import BadRecording, UsageError
from lockstep.machine.board import VERSION
from lockstep.replay.words import readable

MIB: Final = 1 << 20
PAGE: Final = 4096
LEAST_MEMORY: Final = 1 * MIB
MOST_MEMORY: Final = 1 << 38
MOST_HARTS: Final = 8
MOST_SHIFT: Final = 10
MOST_QUANTUM: Final = 1 << 32
MOST_APPEND: Final = 64 << 10
"""Bytes. Linux for RISC-V reads 1,024 of them, and no kernel that is known to us more than this."""
DIGEST_EVERY: Final = 500_000_000
PARANOID_EVERY: Final = 100_000

BIOS_DEFAULT: Final = "default"
BIOS_NONE: Final = "none"

_UNITS: Final = {"": MIB, "K": 1 << 10, "M": MIB, "G": 1 << 30, "T": 1 << 40}


_LEAST, _MOST = -(1 << 63), (1 << 63) - 1

S = TypeVar("S", bound=msgspec.Struct)
Natural = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
Int64 = Annotated[int, msgspec.Meta(ge=_LEAST, le=_MOST)]


class MachineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A machine, as far as the guest can tell; images are named by path, see `images`.

    `shift`: an instruction takes 2**shift ns of virtual time. `seed`: the clock and entropy are
    computed from this number, and the host is not asked. `version`: see machine/board. `svade`:
    page walks set A and D only if the guest's firmware asks for it. `no_reboot`: a reset ends the
    machine. An option that is not used is null in the manifest, which an older version can read
    then.
    """

    version: Int64 = VERSION
    memory: Int64 = 512 * MIB
    smp: Int64 = 1
    svade: bool = False
    shift: Int64 = 2
    quantum: Int64 = 20_000
    engine: Literal["auto", "interp", "reference"] = "auto"
    idle: Literal["real", "skip"] = "real"
    seed: Int64 | None = None
    no_reboot: bool | None = None
    append: str = ""
    bios: str = BIOS_DEFAULT
    kernel: str | None = None
    initrd: str | None = None
    dtb: str | None = None

    def check(self) -> None:
        """Refuse what cannot be built, and so not be replayed either, with what to do instead."""
        checked(MachineConfig, {name: getattr(self, name) for name in self.__struct_fields__})
        for name in ("append", "bios", "kernel", "initrd", "dtb"):
            _text(f"--{name}", getattr(self, name) or "")
        _within("the machine's version", self.version, 1, VERSION, "")
        _within("--smp", self.smp, 1, MOST_HARTS, "harts")
        _within("--shift", self.shift, 0, MOST_SHIFT, "(a power of two of nanoseconds)")
        _within("quantum", self.quantum, 1, MOST_QUANTUM, "instructions")
        _within("--memory", self.memory, LEAST_MEMORY, MOST_MEMORY, "bytes")
        if self.memory % PAGE:
            raise UsageError(
                f"--memory: {self.memory:,} bytes are not whole pages of {PAGE} bytes",
                remedy="give a size in megabytes, such as 512M",
            )
        if len(self.append.encode()) > MOST_APPEND:
            raise UsageError(
                f"--append: {len(self.append.encode()):,} bytes are too many for a command line",
                remedy=f"at most {MOST_APPEND:,}",
            )
        if self.append and self.kernel is None:
            raise UsageError("--append needs a kernel to pass it to", remedy="give --kernel")
        if self.initrd is not None and self.kernel is None:
            raise UsageError("--initrd needs a kernel that reads it", remedy="give --kernel")


class LogConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How a machine is recorded, as far as its guest cannot tell; see `live`."""

    digest_every: Natural = 0
    embed: bool = False
    max_log: Natural | None = None
    force: bool = False


def checked(kind: type[S], values: Mapping[str, Any]) -> S:
    """A struct with these values: the specification of what a program, or a recording, may say.

    Raises UsageError for names that it does not have, and for values of other types.
    """
    for name in values:
        if name not in kind.__struct_fields__:
            known = ", ".join(kind.__struct_fields__)
            raise UsageError(f"there is no option {name}", remedy=f"one of: {known}")
    try:
        return msgspec.convert(dict(values), kind, builtin_types=(bytes,))
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$.")
        name = where.rstrip("`")
        if str(_MOST) in what or str(_LEAST) in what:
            raise UsageError(
                f"{name}: that does not fit in 64 bits", remedy="give a smaller number"
            ) from error
        raise UsageError(
            f"{name}: {what[:1].lower()}{what[1:]}", remedy="give a value of that kind"
        ) from error


_FIELDS: Final = frozenset(MachineConfig.__struct_fields__)


_SIZE: Final = re.compile(
    r"(\d{1,3}(?:,\d{3}){1,5}|\d{1,15}(?:_\d{1,15}){0,5}) ?([KMGT]?)(i?B|bytes?)?",
    re.ASCII | re.IGNORECASE,
)


def parse_size(text: str, option: str = "--memory") -> int:
    """Bytes, from "512M", "1G", "16 MiB", "262,144 bytes" or "128" (MiB, as QEMU has it)."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{option} {text} is not a size", remedy="write it as 512M or 2G")
    number, letter, unit = match.groups(default="")
    factor = 1 if unit and not letter else _UNITS[letter.upper()]
    return int(number.replace(",", "").replace("_", "")) * factor


def config_from_manifest(machine: dict[str, Any]) -> MachineConfig:
    """The machine that a recording was made with."""
    # What is not used is null, and may be unknown here.
    unknown = [name for name in machine if name not in _FIELDS and machine[name] is not None]
    try:
        if unknown:
            raise UsageError(f"{', '.join(map(readable, unknown))[:200]} is not known")
        known = {name: value for name, value in machine.items() if name in _FIELDS}
        # Before there were versions there was one.
        config = checked(MachineConfig, {"version": 1} | known)
        config.check()
    except UsageError as error:
        raise BadRecording(
            f"the recording describes a machine that cannot be built: {error}",
            remedy="Replay it with the version of lockstep that recorded it, or a newer one.",
        ) from error
    return config


def _text(option: str, text: str) -> None:
    """Refuse what neither a device tree nor a recording can hold."""
    if "\0" in text:
        raise UsageError(f"{option} has a zero byte in it", remedy="leave it out")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"{option} is not text: {text!r}", remedy="write it, or name the file, in UTF-8"
        ) from None


def _within(option: str, value: int, least: int, most: int, what: str) -> None:
    if not least <= value <= most:
        raise UsageError(
            f"{option} {value:,} is not possible",
            remedy=f"between {least:,} and {most:,} {what}",
        )
