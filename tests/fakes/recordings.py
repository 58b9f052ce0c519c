"""Recordings altered behind lockstep's back, with every checksum right again."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from lockstep.replay.codec import checksum


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
