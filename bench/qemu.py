"""The QEMU to measure against: the newest that Debian has for this release, backports included.

The one from backports is kept in our cache and installed nowhere: the tests compare with what the
release's own QEMU does. It runs with that one's libraries, and is left out if it cannot.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Final

from lockstep.errors import UsageError
from lockstep.host.debian.apt import Apt, host_architecture, member

PROGRAM: Final = "qemu-system-riscv64"
PACKAGE: Final = "qemu-system-riscv"


@cache
def qemu() -> str:
    """The program to run; it is fetched the first time."""
    try:
        return str(_from_backports())
    except UsageError as error:
        print(f"bench: no newer QEMU than the release's: {error.message}", file=sys.stderr)
        return PROGRAM


def version(program: str) -> str:
    """As QEMU says it: "QEMU emulator version 7.2.22 (Debian ...)"."""
    words = [program, "--version"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split("\n")[0]


def _from_backports() -> Path:
    suite = platform.freedesktop_os_release().get("VERSION_CODENAME", "") + "-backports"
    cached = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = cached / "lockstep" / "bench" / suite / PROGRAM
    if not kept.exists():
        _fetch(suite, kept)
    try:
        version(str(kept))
    except subprocess.CalledProcessError as error:
        raise UsageError(f"that of {suite} does not run here: {error.stderr.strip()}") from error
    return kept


def _fetch(suite: str, kept: Path) -> None:
    apt = Apt(kept.parent / "apt", suite, host_architecture())
    apt.update()
    found = member(apt.download(PACKAGE), f"usr/bin/{PROGRAM}")
    if found is None:
        raise UsageError(f"{PACKAGE} of {suite} holds no {PROGRAM}")
    partial = kept.with_suffix(".partial")
    partial.write_bytes(found[1])
    partial.chmod(0o755)
    partial.replace(kept)
