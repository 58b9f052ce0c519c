"""Whole machines: Debian's kernel as the guest, the command line as the user."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lockstep.host.guests import GuestSet, fetch_guests


@pytest.fixture(scope="session")
def debian() -> GuestSet:
    """Debian's riscv64 kernel, busybox and OpenSBI; fetched if they are not there."""
    return fetch_guests(lambda message: print(message, file=sys.stderr))


@pytest.fixture(scope="session")
def boot(debian: GuestSet) -> list[str]:
    """The options that boot it to its script."""
    return [
        "--kernel", str(debian.kernel), "--initrd", str(debian.initrd),
        "--bios", str(debian.bios), "--append", "console=ttyS0", "--pace", "none",
    ]  # fmt: skip


def built(name: str) -> Path:
    """One of our own guests, as `make guests` builds it."""
    path = Path(__file__).parents[2] / "guests" / "build" / f"{name}.elf"
    if not path.exists():
        pytest.fail(f"{path.name} is not built: run `make guests` (it needs a riscv64 gcc)")
    return path
