"""What a stranger may put beside a recording: side files that are no recorder's."""

from __future__ import annotations

import os
import struct
from pathlib import Path

_MAGIC = bytes.fromhex("d9d505f920a163d7")


def super_journal(recording: Path, victim: Path) -> Path:
    """A hot rollback journal beside a sound recording, which names `victim` as its super-journal:
    SQLite deletes that after it has played it back. https://sqlite.org/fileformat.html, 3"""
    database = recording.read_bytes()
    page = int.from_bytes(database[16:18], "big")
    pages = int.from_bytes(database[28:32], "big")
    head = (_MAGIC + struct.pack(">5I", 0, 0, pages, 512, page)).ljust(512, b"\0")
    name = str(victim.absolute()).encode()
    tail = struct.pack(">I", 0x40000000 // page + 1) + name
    tail += struct.pack(">II", len(name), sum(name)) + _MAGIC
    journal = Path(f"{recording}-journal")
    journal.write_bytes(head + tail)
    return journal


def put(recording: Path, suffix: str, content: bytes | str, victim: Path) -> None:
    """Bytes, or what is called so; a link leads to `victim`."""
    side = Path(f"{recording}{suffix}")
    side.unlink(missing_ok=True)
    match content:
        case bytes():
            side.write_bytes(content)
        case "super-journal":
            super_journal(recording, victim)
        case "link":
            side.symlink_to(victim)
        case "zero":
            side.symlink_to("/dev/zero")
        case "fifo":
            os.mkfifo(side)
        case "directory":
            side.mkdir()
        case "sparse":
            side.touch()
            os.truncate(side, 1 << 40)
