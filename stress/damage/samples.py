"""The recordings to be damaged: finished and killed ones, packed and not, long and short."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from lockstep.session import api, archive
from stress.damage.trial import Sample
from stress.recording import Recording

DEMO: Final = str(files("lockstep.ui") / "data" / "demo.elf")


def make_samples(directory: Path) -> list[Sample]:
    """Record them."""
    machine: dict[str, Any] = {
        "kernel": DEMO,
        "bios": "none",
        "memory": 16 << 20,
        "smp": 2,
        "idle": "skip",
    }
    packed, plain = directory / "packed", directory / "plain"
    made = api.record(packed, typed=b"heads or tails", digest_every=50_000, embed=True, **machine)
    again = api.record(plain, digest_every=0, **machine)
    killed = directory / "killed"
    _kill(killed)
    samples = [
        Sample("packed", _files(packed), made.console),
        Sample("plain", _files(plain), again.console),
        Sample("killed", _files(killed), api.replay(killed).console),
    ]
    archive.recover(killed, directory / "recovered")
    recovered = directory / "recovered"
    return [*samples, Sample("recovered", _files(recovered), samples[-1].console)]


def _kill(path: Path) -> None:
    with Recording(path, "--digest-every", "1000000") as recording:
        recording.wait_for_a_beat()
        time.sleep(2)
        recording.kill()


def _files(path: Path) -> dict[str, bytearray]:
    return {suffix: bytearray(file.read_bytes()) for suffix, file in _present(path)}


def _present(path: Path) -> Iterator[tuple[str, Path]]:
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        if file.exists():
            yield suffix, file
