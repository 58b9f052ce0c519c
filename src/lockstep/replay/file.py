"""The file of a recording: an SQLite database. Knows tables and bytes; never what an event means.

While it is written the database is in WAL mode: a commit is all or nothing, and others can read
meanwhile. SQLite itself syncs only what it moves out of the -wal file; that each commit there
survives the host's power going, too, is up to the syncer, as its millisecond need not be the
guest's.
The page size is small because logs are: each table wastes half a page.
"""

import errno
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from lockstep.errors import (
    BadRecording,
    HostFailure,
    RecordingExists,
    UsageError,
)
from lockstep.replay.access import Opened, connect_to_read, connect_to_rescue
from lockstep.replay.bounds import MAX_IMAGE, MAX_IMAGES, MAX_JSON, MAX_TABLES
from lockstep.replay.codec import checksum, compress, decompress, verify_checksum
from lockstep.replay.faults import (
    blame,
    cannot_begin,
    cannot_go_on,
    cannot_read,
    damaged,
    flaw,
    left_behind,
    newer_format,
    unreadable,
)
from lockstep.replay.format import VERSION
from lockstep.replay.hardening import long_rows, read_schema, was_interrupted
from lockstep.replay.json import decode_json
from lockstep.replay.place import Place
from lockstep.replay.regular import APPLICATION_ID, NOT_ONE, beside, not_begun
from lockstep.replay.syncer import Syncer

_PAGE_SIZE: Final = 1024
_MOST_TIDIED: Final = 1 << 28

# In the order in which a finished file holds them: of one that is cut short, the most can be saved.
_SCHEMA: Final = {
    "manifest": "CREATE TABLE manifest (crc INTEGER, json TEXT)",
    "chunks": "CREATE TABLE chunks "
    "(id INTEGER PRIMARY KEY, first INTEGER, upto INTEGER, crc INTEGER, data BLOB)",
    "transcript": "CREATE TABLE transcript "
    "(id INTEGER PRIMARY KEY, port TEXT, start INTEGER, crc INTEGER, data BLOB)",
    "ending": "CREATE TABLE ending (crc INTEGER, json TEXT)",
    "images": "CREATE TABLE images (sha256 TEXT, size INTEGER, data BLOB)",
}
_PLAIN_TABLE: Final = re.compile(r"CREATE TABLE \w+ \([\w ,]*\)")
"""No virtual one, and nothing that would be computed while it is read, or checked."""

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

    def __init__(self, path: Path, opened: Opened, place: Place | None = None) -> None:
        self.path = path
        self._db, self._clean_up = opened
        self._place = place
        self._syncer = Syncer(beside(path, "-wal"))

    @classmethod
    def create(cls, path: Path, *, replace: bool = True) -> "RecordingFile":
        """A new, empty recording; it may `replace` an old one, but never a file of another sort.

        The old one is gone when the first events are on the disk. If the new one is closed before,
        the old one is back; if there was none, there is none again.
        """
        path = Path(os.path.realpath(path))  # side files are beside the file, and not beside a link
        try:
            place = Place(path, replace=replace)
        except (BlockingIOError, FileExistsError) as error:
            raise RecordingExists(
                f"another recording begins at {path}",
                remedy=f"Choose another name with -o.{left_behind(path)}",
            ) from error
        except OSError as error:
            raise cannot_begin(path, error, blame(error, UsageError)) from error
        try:
            # Two threads write, one at a time: the replay mutex sees to that.
            connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            place.close()
            raise cannot_begin(path, error, HostFailure) from error
        except BaseException:
            place.close()
            raise
        file = cls(path, (connection, place.close), place)
        try:
            file._lay_out()
        except (OSError, sqlite3.Error) as error:
            file.close()
            raise cannot_begin(path, error, HostFailure) from error
        except BaseException:
            file.close()
            raise
        return file

    @classmethod
    def open(cls, path: Path) -> "RecordingFile":
        """An existing recording, to read as it is now. It may be incomplete, or still growing."""
        with _reading(path):
            file = cls(path, connect_to_read(path))
        return file._checked()

    @classmethod
    def rescue(cls, path: Path) -> "RecordingFile":
        """A recording that may be damaged, to read whatever can be read."""
        with _reading(path):
            file = cls(path, connect_to_rescue(path))
        return file._checked()

    def close(self) -> None:
        """Let go of the file. What was committed stays."""
        try:
            with suppress(sqlite3.Error):  # a full disk: the -wal file stays, and is good
                self._db.close()
            self._syncer.close()
        finally:
            self._clean_up()

    def put_about(self, **items: msgspec.Struct) -> None:
        """Store structs as JSON, each in the table of its name."""
        self.put((), (), about=items)

    def put_image(self, sha256: str, data: bytes) -> None:
        """Embed the contents of an image."""
        if len(data) > MAX_IMAGE:
            raise UsageError(
                f"an image of {len(data)} bytes is too big to be packed into a recording",
                remedy="Leave it outside: the recording then names it by its hash.",
            )
        with self._committing():
            self._db.execute(
                "INSERT INTO images VALUES (?, ?, ?)", (sha256, len(data), compress(data, 3))
            )

    def put(
        self,
        chunks: Sequence[Range],
        texts: Sequence[Text],
        *,
        about: Mapping[str, msgspec.Struct] | None = None,
        anew: bool = False,
    ) -> None:
        """Commit all this at once; `anew`: chunks and texts instead of all there are."""
        facts = [(n, msgspec.json.encode(each).decode()) for n, each in (about or {}).items()]
        with self._committing():
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
                [
                    (port, start, checksum(port.encode() + data, start), data)
                    for port, start, data in texts
                ],
            )
            for name, json in facts:
                row = (checksum(json.encode()), json)
                self._db.execute(f"INSERT INTO {name} VALUES (?, ?)", row)
            self._db.execute("COMMIT")
        if chunks and self._place is not None:
            self._keep(self._place)

    def extend(self, row: ChunkRow, upto: int) -> None:
        """Nothing happened: let the last chunk, which is `row`, reach further."""
        with self._committing():
            self._db.execute(
                "UPDATE chunks SET upto = ?, crc = ? WHERE id = (SELECT max(id) FROM chunks)",
                (upto, checksum(row.data, row.first, upto)),
            )

    def taken(self) -> int:
        """How many bytes of disk the recording may take before it is one plain file again."""
        with self._writing():
            log = beside(self.path, "-wal")
            try:  # at the end the log is copied into the file, and only then removed
                return self.path.stat().st_size + 2 * log.stat().st_size
            except FileNotFoundError as error:
                raise cannot_go_on(self.path, error) from error

    def settle(self) -> None:
        """Move what the -wal file holds into the database, if nobody is reading it just now."""
        with self._writing():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def sync(self) -> None:
        """Wait until what was committed is on the disk."""
        with self._writing():
            self._syncer.wait()

    def finish(self, *, tidy: bool = True) -> bool:
        """Turn the database into one plain file, unless somebody is reading it just now, or the
        disk is full. It is complete all the same, with its -wal file; False then.

        `tidy`: with everything in its place and nothing in between, for which it is written anew.
        """
        if self._place is not None and not self._place.is_ours():
            raise cannot_go_on(self.path, FileNotFoundError("it was removed"))
        with self._writing():
            if tidy and self.path.stat().st_size <= _MOST_TIDIED:
                with suppress(sqlite3.Error):  # a full disk, or a reader: it is whole all the same
                    self._db.execute("VACUUM")
            self._db.execute("PRAGMA busy_timeout=100")
            self._syncer.wait()  # which may not have opened the -wal file yet
            try:
                # Not DELETE: this last change of the header, too, leaves no journal to anybody.
                self._db.execute("PRAGMA journal_mode=MEMORY")
                plain = True
            except sqlite3.OperationalError:
                self._syncer.begin()
                plain = False
            self._syncer.wait()
        return plain

    def about(self, name: str, kind: type[Any]) -> Any:
        """The struct in the table called so, or None."""
        with _reading(self.path, self._db):
            row = self._db.execute(f"SELECT crc, json FROM {name}").fetchone()
            if row is None:
                return None
            crc, json = msgspec.convert(row, tuple[int, str])
            data = json.encode()
            if len(data) > MAX_JSON:
                raise damaged(self.path, f"its {name} is {len(data):,} bytes long")
            verify_checksum(crc, data)
            return decode_json(data, kind)

    def image(self, sha256: str, limit: int = MAX_IMAGE) -> bytes | None:
        """The contents of an embedded image, which is not longer than `limit`."""
        with _reading(self.path, self._db), long_rows(self._db):
            row = self._db.execute(
                "SELECT size, data FROM images WHERE sha256 = ?", (sha256,)
            ).fetchone()
            if row is None:
                return None
            size, data = msgspec.convert(row, tuple[int, bytes])
            return decompress(data, min(size, limit))

    def embedded(self) -> set[str]:
        """The hashes of the embedded images."""
        with _reading(self.path, self._db):
            rows = self._db.execute("SELECT sha256 FROM images").fetchmany(MAX_IMAGES + 1)
            if len(rows) > MAX_IMAGES:
                raise damaged(self.path, f"it holds more than {MAX_IMAGES} images")
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
            verify_checksum(row.crc, row.port.encode() + row.data, row.start)
            yield row

    def check_structure(self) -> None:
        """Have SQLite look at every page."""
        with _reading(self.path, self._db):
            found = flaw(self._db)
        if found is not None:
            raise damaged(self.path, found)

    def _keep(self, place: Place) -> None:
        if place.replaces:
            self.sync()
        place.keep()

    def _lay_out(self) -> None:
        for statement in (
            f"PRAGMA page_size={_PAGE_SIZE}",
            "PRAGMA journal_mode=MEMORY",  # a file that is not whole yet is worth nothing anyway
            "BEGIN",
            f"PRAGMA application_id={APPLICATION_ID}",
            f"PRAGMA user_version={VERSION}",
            *_SCHEMA.values(),
            "COMMIT",
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=NORMAL",
        ):
            self._db.execute(statement)

    def _rows(self, query: str, kind: type[Any], *parameters: str) -> Iterator[Any]:
        """Typed rows by id, one at a time: what comes before damage is read."""
        after = -1
        clause = "AND" if "WHERE" in query else "WHERE"
        while True:
            with _reading(self.path, self._db):
                row = self._db.execute(
                    f"{query} {clause} id > ? ORDER BY id LIMIT 1", (*parameters, after)
                ).fetchone()
                if row is None:
                    return
                after, values = msgspec.convert(row[0], int), row[1:]
                item = msgspec.convert(dict(zip(kind.__struct_fields__, values, strict=True)), kind)
            yield item

    def _checked(self) -> "RecordingFile":
        try:
            self._check_header()
        except BaseException:
            self.close()
            raise
        return self

    def _check_header(self) -> None:
        with _reading(self.path, self._db):
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > VERSION:
                raise newer_format(self.path, version)
            schema = read_schema(self._db, MAX_TABLES)
            if not schema or version < 1:
                raise not_begun(self.path)
            # A table that is not known is one that may be skipped; nothing else is let in.
            tables = {name: sql for type, name, sql in schema if type == "table"}
            plain = all(_PLAIN_TABLE.fullmatch(str(sql)) for sql in tables.values())
            few = len(tables) == len(schema) <= MAX_TABLES
            if not (plain and few) or _SCHEMA.items() - tables.items():
                raise BadRecording(f"{self.path} is not a lockstep recording", remedy=NOT_ONE)

    @contextmanager
    def _committing(self) -> Iterator[None]:
        with self._writing():
            self._syncer.wait()
            yield
            self._syncer.begin()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if self._db.in_transaction:
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            if self._place is not None and not self._place.kept:
                raise cannot_begin(self.path, error, HostFailure) from error
            raise cannot_go_on(self.path, error) from error


@contextmanager
def _reading(path: Path, database: sqlite3.Connection | None = None) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error, msgspec.MsgspecError, UnicodeError, OverflowError) as error:
        if was_interrupted(error):
            raise KeyboardInterrupt from error
        raise unreadable(path, error, database) from error
    except MemoryError as error:  # what a file may ask for is bounded
        raise cannot_read(path, OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))) from error
