"""The command line in processes of its own, and something to disturb them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def lockstep(
    *arguments: object, hash_seed: int = 0, cache: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """`lockstep ARGUMENTS` in a process of its own, to its end; with a `cache` of its own, too."""
    other = {} if cache is None else {"LOCKSTEP_CACHE": str(cache)}
    return subprocess.run(
        [sys.executable, "-m", "lockstep", *map(str, arguments)],
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed)} | other,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=300,
    )


@contextmanager
def busy_cores() -> Iterator[None]:
    """Every core has something else to do."""
    spin = [sys.executable, "-c", "while True: pass"]
    spinners = [subprocess.Popen(spin) for _ in range(os.cpu_count() or 1)]
    try:
        yield
    finally:
        for one in spinners:
            one.kill()
            one.wait()


def recorded(path: Path, *arguments: object) -> bytes:
    """Record to `path`; returns the console's output."""
    done = lockstep("record", "-o", path, *arguments)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
