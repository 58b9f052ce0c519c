"""What is raced: the guests, and the command lines that run them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from bench.child import Failed
from bench.qemu import qemu

MEMORY: Final = "512M"
"""The default of lockstep, and told to QEMU."""

AT_FULL_SPEED: Final = ("--pace", "none")
"""Nor does QEMU hold its guests back: -icount has align=off."""


class Guest(NamedTuple):
    """What boots. `proof` is a pattern that the console's output of a good run matches."""

    name: str
    kernel: Path
    proof: bytes
    bios: Path | None = None
    initrd: Path | None = None
    append: str = ""

    def done(self, output: bytes) -> bool:
        """Whether the guest did all its work."""
        return re.search(self.proof, output) is not None

    def options(self, dash: str) -> list[str]:
        """What to boot: QEMU and lockstep spell it alike, but for the dashes."""
        words = [f"{dash}bios", str(self.bios or "none"), f"{dash}kernel", str(self.kernel)]
        if self.initrd is not None:
            words += [f"{dash}initrd", str(self.initrd)]
        return [*words, f"{dash}append", self.append] if self.append else words


def _lockstep(*words: str) -> list[str]:
    return [sys.executable, "-m", "lockstep", *words]


def _run(guest: Guest, log: Path) -> list[str]:
    return _lockstep("run", *AT_FULL_SPEED, *guest.options("--"))


def _record(guest: Guest, log: Path) -> list[str]:
    return _lockstep("record", "--force", "-o", str(log), *AT_FULL_SPEED, *guest.options("--"))


def _replay(guest: Guest, log: Path) -> list[str]:
    return _lockstep("replay", str(log))


def _qemu(guest: Guest, log: Path) -> list[str]:
    board = ["-M", "virt", "-m", MEMORY, "-nodefaults", "-display", "none", "-serial", "stdio"]
    return [qemu(), *board, *guest.options("-")]


def _qemu_record(guest: Guest, log: Path) -> list[str]:
    return [*_qemu(guest, log), "-icount", f"shift=auto,rr=record,rrfile={log}"]


def _qemu_replay(guest: Guest, log: Path) -> list[str]:
    return [*_qemu(guest, log), "-icount", f"shift=auto,rr=replay,rrfile={log}"]


def _native(guest: Guest, log: Path) -> list[str]:
    program = guest.kernel.parent / "native" / guest.name
    if not program.exists():
        raise Failed(f"{guest.name} is not built for this machine: `make bench` builds it")
    return [str(program)]


class Machine(Enum):
    """Who runs a guest, and how. A replay reads what its recorder wrote last.

    NATIVE is this machine itself: the guest's work, compiled for it. Only some have that.
    """

    RUN = "run", _run, ".run"
    RECORD = "record", _record, ".lockstep"
    REPLAY = "replay", _replay, ".lockstep"
    QEMU = "QEMU", _qemu, ".qemu"
    QEMU_RECORD = "QEMU record", _qemu_record, ".rr"
    QEMU_REPLAY = "QEMU replay", _qemu_replay, ".rr"
    NATIVE = "native", _native, ""

    def __init__(
        self, title: str, command: Callable[[Guest, Path], list[str]], suffix: str
    ) -> None:
        self.title = title
        self._command = command
        self._suffix = suffix

    def command(self, guest: Guest, folder: Path) -> list[str]:
        """How to run `guest`; recordings are in `folder`."""
        return self._command(guest, self.log(guest, folder))

    def log(self, guest: Guest, folder: Path) -> Path:
        """Where this machine's recording of `guest` is."""
        return folder / (guest.name + self._suffix)
