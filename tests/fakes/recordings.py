"""What recordings are made of, and ways to alter them behind lockstep's back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from lockstep.replay.codec import checksum
from lockstep.replay.format import Image, Manifest

KERNEL = b"kernel" * 1000
KERNEL_HASH = "ab" * 32
MANIFEST = Manifest(
    {"memory": "512M", "smp": 2},
    100,
    images=(Image("kernel", KERNEL_HASH, len(KERNEL)), Image("initrd", "cd" * 32, 5)),
    versions={"lockstep": "0.1"},
    host={"machine": "x86_64"},
    created="2026-01-01T00:00:00Z",
)

KILLED = """
import os, signal, sys
from pathlib import Path
from lockstep.replay.format import Manifest, Warp
from lockstep.replay.log import LogWriter
log = LogWriter(Path(sys.argv[1]), Manifest({}, 0))
for at in range(1, 50):
    log.append(at, Warp(at))
    log.output("serial0").emit(b"x")
    log.flush(at)
log.append(50, Warp(50))
os.kill(os.getpid(), signal.SIGKILL)
"""
"""A recorder that is killed after 49 commits, at the path that it is given."""


def alter_about(path: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Let `change` edit the manifest or the ending."""
    with closing(sqlite3.connect(path)) as file, file:
        (text,) = file.execute(f"SELECT json FROM {name}").fetchone()
        facts = json.loads(text)
        change(facts)
        text = json.dumps(facts)
        row = (text, checksum(text.encode()))
        file.execute(f"UPDATE {name} SET json = ?, crc = ?", row)


def alter_chunk(path: Path, number: int, data: bytes) -> None:
    """Put other events into a chunk."""
    with closing(sqlite3.connect(path)) as file, file:
        first, upto = file.execute(
            "SELECT first, upto FROM chunks WHERE id = ?", (number,)
        ).fetchone()
        file.execute(
            "UPDATE chunks SET data = ?, crc = ? WHERE id = ?",
            (data, checksum(data, first, upto), number),
        )


def tamper(path: Path, *statements: str) -> None:
    """Change the database, and no checksum."""
    with closing(sqlite3.connect(path)) as file, file:
        for statement in statements:
            file.execute(statement)
