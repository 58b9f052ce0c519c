"""A recording in parts that can be altered, and put together again with everything signed."""

from __future__ import annotations

import copy
import sqlite3
import zlib
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard

from lockstep.det.instant import Icount
from lockstep.replay.chain import Chain
from lockstep.replay.codec import checksum
from lockstep.replay.format import AnyEvent, Logged

_CHECKPOINT: Final = 32
_MOST_SIGNED: Final = 20_000
_CHAIN: Final = 6
"""Where a checkpoint has its chain."""


@dataclass
class Chunk:
    """As in the file, unpacked. `raw` is stored instead of all that, if there is any."""

    first: Any
    upto: Any
    steps: list[Any]
    events: list[Any]
    outputs: Any = None
    raw: bytes | None = None


@dataclass
class Text:
    """A piece of output. `raw` is stored as it is, instead of `data`."""

    port: Any
    start: Any
    data: bytes
    raw: bytes | None = None


@dataclass
class Parts:
    """A recording: JSON as text, to be altered as text, too; and what lies beside the file.

    `statements` are run on the finished database, `after` patches its bytes, `side` says what is
    beside it by suffix.
    """

    manifest: str
    ending: str | None
    chunks: list[Chunk]
    texts: list[Text]
    images: list[tuple[Any, Any, Any]] = field(default_factory=list)
    schema: list[str] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    sides: dict[str, bytes | str] = field(default_factory=dict)
    signed: bool = True

    def copy(self) -> Parts:
        """One that can be altered."""
        return copy.deepcopy(self)


def read(path: Path) -> Parts:
    """Take a sound recording apart."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as file:
        schema = [sql for (sql,) in file.execute("SELECT sql FROM sqlite_schema")]
        (manifest,) = file.execute("SELECT json FROM manifest").fetchone()
        ending = file.execute("SELECT json FROM ending").fetchone()
        return Parts(
            manifest,
            None if ending is None else ending[0],
            [_chunk(*row) for row in file.execute("SELECT first, upto, data FROM chunks")],
            [
                Text(port, start, _unpack(data))
                for port, start, data in file.execute("SELECT port, start, data FROM transcript")
            ],
            file.execute("SELECT sha256, size, data FROM images").fetchall(),
            schema,
        )


def write(parts: Parts, path: Path) -> None:
    """Put it together: checksums and chain are right, whatever it says. Raises sqlite3.Error and
    others for what cannot be stored at all."""
    if parts.signed:
        _sign(parts)
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        _fill(parts, file)
        for statement in parts.statements:
            with suppress(sqlite3.Error):
                file.execute(statement).fetchall()


def pack_chunk(chunk: Chunk) -> bytes:
    """What is stored of it."""
    if chunk.raw is not None:
        return chunk.raw
    body = msgspec.msgpack.encode((chunk.steps, chunk.events, chunk.outputs))
    return zstandard.ZstdCompressor(level=1).compress(body)


def _fill(parts: Parts, file: sqlite3.Connection) -> None:
    for setting in ("page_size=1024", "journal_mode=OFF", "synchronous=OFF"):
        file.execute(f"PRAGMA {setting}")
    file.execute("BEGIN")
    for setting in ("application_id=0x6C6B7374", "user_version=1"):
        file.execute(f"PRAGMA {setting}")
    for statement in parts.schema:
        file.execute(statement)
    file.execute("INSERT INTO manifest VALUES (?, ?)", _json(parts.manifest))
    for chunk in parts.chunks:
        data = pack_chunk(chunk)
        row = (chunk.first, chunk.upto, checksum(data, chunk.first, chunk.upto), data)
        file.execute("INSERT INTO chunks (first, upto, crc, data) VALUES (?, ?, ?, ?)", row)
    for text in parts.texts:
        data = zstandard.compress(text.data, 1) if text.raw is None else text.raw
        crc = checksum(str(text.port).encode(errors="replace") + data, text.start)
        file.execute(
            "INSERT INTO transcript (port, start, crc, data) VALUES (?, ?, ?, ?)",
            (text.port, text.start, crc, data),
        )
    if parts.ending is not None:
        file.execute("INSERT INTO ending VALUES (?, ?)", _json(parts.ending))
    file.executemany("INSERT INTO images VALUES (?, ?, ?)", parts.images)
    file.execute("COMMIT")


def _json(text: str) -> tuple[int, str]:
    return zlib.crc32(b"()", zlib.crc32(text.encode(errors="replace"))), text


def _chunk(first: int, upto: int, data: bytes) -> Chunk:
    steps, events, outputs = msgspec.msgpack.decode(_unpack(data))
    return Chunk(first, upto, steps, [list(each) for each in events], outputs)


def _unpack(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(data)


def _sign(parts: Parts) -> None:
    """The chain through all events that are any, into every checkpoint and the ending."""
    chain = Chain()
    if sum(len(chunk.events) for chunk in parts.chunks) > _MOST_SIGNED:
        return  # refused before anybody asks
    for chunk in parts.chunks:
        at = chunk.first
        for step, event in zip(chunk.steps, chunk.events, strict=False):
            with suppress(TypeError, IndexError, ValueError, msgspec.MsgspecError, OverflowError):
                at += step
                if event[0] == _CHECKPOINT and len(event) > _CHAIN:
                    event[_CHAIN] = chain.value
                chain.add(Logged(Icount(at), msgspec.convert(event, AnyEvent)))
    if parts.ending is not None:
        with suppress(ValueError, TypeError, RecursionError):
            ending = msgspec.json.decode(parts.ending)
            ending["chain"] = chain.value
            parts.ending = msgspec.json.encode(ending).decode()
