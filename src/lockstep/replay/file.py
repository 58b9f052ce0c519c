"""The file of a recording: an SQLite database. Knows tables and bytes; never what an event means.

While it is written the database is in WAL mode: a commit is all or nothing, `kill -9` loses only
what was not yet committed, and others can read meanwhile. Finishing makes it one plain file.
The page size is small because logs are: each table wastes half a page.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from lockstep.errors import BadRecording, UsageError
from lockstep.replay.codec import checksum, compress, decompress, verify_checksum
from lockstep.replay.format import VERSION

APPLICATION_ID: Final = 0x6C6B7374  # "lkst", shown by file(1)
_PAGE_SIZE: Final = 1024
_MAX_IMAGE: Final = 1 << 30
_NOT_ONE: Final = "Name a file that `lockstep record` has written."

_SCHEMA: Final = {
    "about": "CREATE TABLE about (name TEXT, json TEXT)",
    "images": "CREATE TABLE images (sha256 TEXT, size INTEGER, data BLOB)",
    "chunks": "CREATE TABLE chunks "
    "(id INTEGER PRIMARY KEY, first INTEGER, upto INTEGER, crc INTEGER, data BLOB)",
    "transcript": "CREATE TABLE transcript "
    "(id INTEGER PRIMARY KEY, port TEXT, start INTEGER, crc INTEGER, data BLOB)",
}


Range = tuple[int, int, bytes]
"""Events to be stored: the instants it goes from and to, and their encoding."""

Text = tuple[str, int, bytes]
"""Output to be stored: its port, the position of its first byte, and the compressed bytes."""


class ChunkRow(msgspec.Struct, frozen=True):
    """Events of the range of instructions that starts at `first`; complete up to `upto`."""

    first: int
    upto: int
    crc: int
    data: bytes


class TextRow(msgspec.Struct, frozen=True):
    """Bytes that left through `port`, from its byte `start` on."""

    port: str
    start: int
    crc: int
    data: bytes


class RecordingFile:
    """An open recording. States: open for writing or for reading, then closed."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._db = connection

    @classmethod
    def create(cls, path: Path) -> "RecordingFile":
        """A new, empty recording; it replaces an old one, but never a file of another sort."""
        if path.exists() and not _may_replace(path):
            raise UsageError(
                f"{path} exists and is not a recording, so it is not overwritten",
                remedy="Choose another name for the recording with -o.",
            )
        try:
            for name in (path, _beside(path, "-wal"), _beside(path, "-shm")):
                name.unlink(missing_ok=True)
            # Two threads write, one at a time: the replay mutex sees to that.
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise _cannot_write(path, error) from error
        file = cls(path, connection)
        with file._writing():
            for pragma in (
                f"page_size={_PAGE_SIZE}",
                "auto_vacuum=INCREMENTAL",
                f"application_id={APPLICATION_ID}",
                f"user_version={VERSION}",
                "journal_mode=WAL",
                "synchronous=NORMAL",
            ):
                connection.execute(f"PRAGMA {pragma}")
            connection.execute("BEGIN")
            for statement in _SCHEMA.values():
                connection.execute(statement)
            connection.execute("COMMIT")
        return file

    @classmethod
    def open(cls, path: Path) -> "RecordingFile":
        """An existing recording, to read. It may be incomplete, or still growing."""
        if not path.is_file():
            raise UsageError(f"there is no recording {path}", remedy=_NOT_ONE)
        if _application_id(path) != APPLICATION_ID:
            raise BadRecording(f"{path} is not a lockstep recording", remedy=_NOT_ONE)
        uri = f"{path.absolute().as_uri()}?mode=ro"
        try:
            connection = sqlite3.connect(
                uri, uri=True, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise damaged(path, error) from error
        file = cls(path, connection)
        try:
            file._check_header()
        except BaseException:
            connection.close()
            raise
        return file

    def close(self) -> None:
        """Let go of the file. What was committed stays."""
        self._db.close()

    def put_about(self, **items: msgspec.Struct) -> None:
        """Store structs as JSON, each under its name."""
        with self._writing():
            self._db.executemany(
                "INSERT INTO about VALUES (?, ?)",
                [(name, msgspec.json.encode(item).decode()) for name, item in items.items()],
            )

    def put_image(self, sha256: str, data: bytes) -> None:
        """Embed the contents of an image."""
        if len(data) > _MAX_IMAGE:
            raise UsageError(
                f"an image of {len(data)} bytes is too big to be packed into a recording",
                remedy="Leave it outside: the recording then names it by its hash.",
            )
        with self._writing():
            self._db.execute(
                "INSERT INTO images VALUES (?, ?, ?)", (sha256, len(data), compress(data, 3))
            )

    def put(self, chunks: Sequence[Range], texts: Sequence[Text], *, anew: bool = False) -> None:
        """Commit chunks, and output that goes with them; `anew`: instead of all there are."""
        with self._writing():
            self._db.execute("BEGIN")
            if anew:
                self._db.execute("DELETE FROM chunks")
                self._db.execute("DELETE FROM transcript")
            self._db.executemany(
                "INSERT INTO chunks (first, upto, crc, data) VALUES (?, ?, ?, ?)",
                [(at, upto, checksum(data, at, upto), data) for at, upto, data in chunks],
            )
            self._db.executemany(
                "INSERT INTO transcript (port, start, crc, data) VALUES (?, ?, ?, ?)",
                [(port, start, checksum(data, start), data) for port, start, data in texts],
            )
            self._db.execute("COMMIT")

    def finish(self) -> None:
        """Turn the database into one plain file, unless somebody is reading it just now."""
        with self._writing():
            self._db.executescript("PRAGMA incremental_vacuum")  # execute() would do one page
        with suppress(sqlite3.OperationalError):  # a reader: the -wal file stays, and is complete
            self._db.execute("PRAGMA busy_timeout=100")
            self._db.execute("PRAGMA journal_mode=DELETE")

    def about(self, name: str, kind: type[Any]) -> Any:
        """The struct stored under `name`, or None."""
        with self._reading():
            row = self._db.execute("SELECT json FROM about WHERE name = ?", (name,)).fetchone()
            return None if row is None else msgspec.json.decode(row[0], type=kind)

    def image(self, sha256: str) -> bytes | None:
        """The contents of an embedded image."""
        with self._reading():
            row = self._db.execute(
                "SELECT size, data FROM images WHERE sha256 = ?", (sha256,)
            ).fetchone()
            if row is None:
                return None
            size, data = msgspec.convert(row, tuple[int, bytes])
            return decompress(data, min(size, _MAX_IMAGE))

    def embedded(self) -> set[str]:
        """The hashes of the embedded images."""
        with self._reading():
            rows = self._db.execute("SELECT sha256 FROM images").fetchall()
            return {each for (each,) in msgspec.convert(rows, list[tuple[str]])}

    def chunks(self) -> Iterator[ChunkRow]:
        """All chunks, in order, checked."""
        upto = 0
        for row in self._rows("SELECT id, first, upto, crc, data FROM chunks", ChunkRow):
            verify_checksum(row.crc, row.data, row.first, row.upto)
            if row.first != upto or row.upto < upto:
                raise damaged(self.path, f"there is a gap at instruction {upto:_}")
            upto = row.upto
            yield row

    def texts(self, port: str | None = None) -> Iterator[TextRow]:
        """The transcript, in order, checked; of one port if given."""
        where = "" if port is None else "WHERE port = ?"
        query = f"SELECT id, port, start, crc, data FROM transcript {where}"
        for row in self._rows(query, TextRow, *([] if port is None else [port])):
            verify_checksum(row.crc, row.data, row.start)
            yield row

    def _rows(self, query: str, kind: type[Any], *parameters: str) -> Iterator[Any]:
        """Typed rows by id, one at a time so that nothing stays locked between them."""
        after = -1
        clause = "AND" if "WHERE" in query else "WHERE"
        while True:
            with self._reading():
                row = self._db.execute(
                    f"{query} {clause} id > ? ORDER BY id LIMIT 1", (*parameters, after)
                ).fetchone()
                if row is None:
                    return
                after, values = msgspec.convert(row[0], int), row[1:]
                item = msgspec.convert(dict(zip(kind.__struct_fields__, values, strict=True)), kind)
            yield item

    def _check_header(self) -> None:
        with self._reading():
            # SQLite's own advice for files from strangers: https://sqlite.org/security.html
            self._db.execute("PRAGMA trusted_schema=OFF")
            self._db.execute("PRAGMA cell_size_check=ON")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version != VERSION:
                raise BadRecording(
                    f"{self.path} has format {version}; this lockstep reads format {VERSION}",
                    remedy="Use the version of lockstep that recorded it, or a newer one.",
                )
            schema = self._db.execute("SELECT name, sql FROM sqlite_schema").fetchall()
            if not schema:
                raise damaged(self.path, "it is empty")
            if dict(schema) != _SCHEMA:
                raise BadRecording(f"{self.path} is not a lockstep recording", remedy=_NOT_ONE)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, msgspec.MsgspecError, UnicodeError, OverflowError) as error:
            raise damaged(self.path, error) from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _cannot_write(self.path, error) from error


def _application_id(path: Path) -> int | None:
    """From the header itself, so that a file of another sort is never opened as a database."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}", remedy="Check the path and its permissions."
        ) from error
    if not header.startswith(b"SQLite format 3\0") or len(header) < 100:
        return None
    return int.from_bytes(header[68:72], "big")


def _may_replace(path: Path) -> bool:
    """Never a device, a directory or somebody's thesis."""
    if not path.is_file():
        return False
    return path.stat().st_size == 0 or _application_id(path) == APPLICATION_ID


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def damaged(path: Path, error: object) -> BadRecording:
    """The error for a file that was a recording once."""
    return BadRecording(
        f"{path} is damaged: {error}",
        remedy="Copy it again from where it was recorded. A recording that was killed needs the "
        "-wal file beside it, in a directory that can be written.",
    )


def _cannot_write(path: Path, error: Exception) -> UsageError:
    return UsageError(
        f"cannot write the recording {path}: {error}",
        remedy="Check the directory, its permissions and the free space.",
    )
