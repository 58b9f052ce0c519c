"""Compiled code on disk: blobs by key, shared by all processes of a user, bounded, best effort.

A row that is lost costs a compilation, so nothing here waits for the disk (`synchronous=OFF`); a
row that is wrong would be executed, so each carries a seal (`places.seal`) that is checked when it
is read, and a file that others can write is not opened (`places.trust`). Whatever fails, there is
nothing in the store, or nothing comes into it; if that is for good, the user is told once.

A damaged file is removed and made anew. Who opens it and who removes it hold a lock meanwhile, on a
file beside it (`flock`, so a crash leaves none behind): of several who find the damage one removes
the file, and nobody removes what another has made in its place or is just opening.

Rejected: a file for each blob. Ten thousand small files take seconds to read and to clear, and
several processes could not keep them below a limit without a lock that a crash leaves behind.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from lockstep.errors import HostFailure
from lockstep.host.clock import Clock, age_ns
from lockstep.places.seal import seal, secret
from lockstep.places.trust import Notify, check_file, say_once

if TYPE_CHECKING:  # 9 ms that a start without compiled code need not pay
    from sqlite3 import Connection

LIMIT: Final = 256 << 20
"""Bytes of disk, unless something else is asked for."""

_OURS: Final = (0x6C6B7263, 1)  # "lkrc", and the version of the tables
_SIDE_FILES: Final = ("-wal", "-shm", "-journal")
_LOCK_FILE: Final = "-lock"
_BUSY_MS: Final = 100
_PATIENCE: Final = 8
"""Failures until the store is left alone: each of them may have cost a moment."""

_SETTINGS: Final = (
    "page_size=8192",  # reads blobs of 20 KB three times as fast as 4,096, and wastes 2 %
    "journal_mode=WAL",
    "synchronous=OFF",
    "cell_size_check=ON",
    f"journal_size_limit={LIMIT // 64}",
)
_SCHEMA: Final = (
    "CREATE TABLE keys (key BLOB PRIMARY KEY, used INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE parts (id INTEGER PRIMARY KEY, key BLOB NOT NULL, digest BLOB NOT NULL, "
    "data BLOB NOT NULL)",
    "CREATE UNIQUE INDEX parts_by_key ON parts (key, digest)",
    f"PRAGMA application_id={_OURS[0]}",
    f"PRAGMA user_version={_OURS[1]}",
)
_USE: Final = (
    "INSERT INTO keys VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET used = max(used, excluded.used)"
)
_OLDEST_FIRST: Final = (
    "SELECT key, (SELECT total(length(data)) FROM parts WHERE parts.key = keys.key) "
    "FROM keys ORDER BY used"
)

T = TypeVar("T")


class Usage(msgspec.Struct, frozen=True):
    """How much is stored. `bytes` is what was put; the file has it in whole pages."""

    keys: int = 0
    parts: int = 0
    bytes: int = 0


class CodeStore:
    """A store in the file `path`, opened when it is first needed. States: open, then closed.

    `limit` bounds the file, in bytes; 0: nothing is kept. One thread at a time may call. Several
    processes may use one file; what one puts, the others get. `notify` is told if it cannot be
    used, from the thread that calls.
    """

    def __init__(
        self,
        path: Path,
        limit: int = LIMIT,
        *,
        clock: Clock = age_ns,
        notify: Notify = lambda said: None,
    ) -> None:
        self.path = path
        self.limit = limit
        self._clock = clock
        self._notify = notify
        self._secret = b""
        self._db: Connection | None = None
        self._inode = (0, 0)  # of the file that is open
        self._patience = _PATIENCE
        self._used: dict[bytes, int] = {}  # when each key was asked for; written at the end

    def get(self, key: bytes) -> list[bytes]:
        """All parts stored under `key`, in the order in which they were put."""
        if not self.limit:
            return []

        def read(db: Connection) -> list[bytes]:
            query = "SELECT id, digest, data FROM parts WHERE key = ? ORDER BY id"
            rows = db.execute(query, (key,)).fetchall()
            bad = [(id,) for id, digest, data in rows if digest != self._seal(key, data)]
            if bad:
                _require_sound(db)
                db.executemany("DELETE FROM parts WHERE id = ?", bad)
            if rows:
                self._used[key] = self._clock()
            return [data for id, digest, data in rows if (id,) not in bad]

        return self._attempt(read, [], create=False)

    def put(self, key: bytes, part: bytes) -> None:
        """Store one more part under `key`. One that is there already stays where it is."""
        if len(part) >= self.limit // 2:
            return

        def write(db: Connection) -> None:
            query = "INSERT OR IGNORE INTO parts (key, digest, data) VALUES (?, ?, ?)"
            with _transaction(db):
                db.execute(query, (key, self._seal(key, part), part))
                db.execute(_USE, (key, self._clock()))
            if _live_bytes(db) > self.limit:
                self._evict(db)

        self._attempt(write, None)

    def usage(self) -> Usage:
        """What there is now."""

        def count(db: Connection) -> Usage:
            query = "SELECT count(DISTINCT key), count(*), total(length(data)) FROM parts"
            return Usage(*map(int, db.execute(query).fetchone()))

        return self._attempt(count, Usage(), create=False)

    def clear(self) -> bool:
        """Forget everything, and give the disk back. Others may go on using the store.

        False if it could not be done.
        """

        def empty(db: Connection) -> bool:
            with _transaction(db):
                db.execute("DELETE FROM parts")
                db.execute("DELETE FROM keys")
            return True

        def shrink(db: Connection) -> None:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

        self._used.clear()
        done = self._attempt(empty, False, create=False)
        self._attempt(shrink, None, create=False)
        return done or not os.path.exists(self.path)

    def close(self) -> None:
        """Write down what was used, and let go of the file. There is nothing in it afterwards."""
        if self._db is not None:
            self._attempt(self._note_uses, None)
        self._disconnect()
        self._patience = 0

    def _seal(self, key: bytes, data: bytes) -> bytes:
        """Of the data and of where it belongs: a damaged index must not lead to another's code."""
        return seal(self._secret, key, data)

    def _evict(self, db: Connection) -> None:
        """Make room: a quarter of the limit, so that this is not the work of every `put`."""
        self._note_uses(db)
        surplus = _live_bytes(db) - self.limit // 4 * 3
        going = []
        for key, size in db.execute(_OLDEST_FIRST):
            if surplus <= 0:
                break
            going.append((key,))
            surplus -= size
        with _transaction(db):
            db.executemany("DELETE FROM parts WHERE key = ?", going)
            db.executemany("DELETE FROM keys WHERE key = ?", going)

    def _note_uses(self, db: Connection) -> None:
        if self._used:
            with _transaction(db):
                db.executemany(_USE, self._used.items())
            self._used.clear()

    def _attempt(
        self, action: Callable[[Connection], T], otherwise: T, *, create: bool = True
    ) -> T:
        """Do something with the database; `otherwise` is the result if that fails."""
        if not self._patience or not (create or self._db or os.path.exists(self.path)):
            return otherwise
        import sqlite3

        try:
            return action(self._db or self._connect())
        except (sqlite3.Error, _Damaged) as error:
            self._patience -= 1
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            # The statements are right: if there is an error in one, the tables are not ours.
            if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR):
                self._remove()
            elif code not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                say_once(self._notify, OSError(f"{self.path.name}: {error}"))
            self._disconnect()
        except BlockingIOError:  # others are at it
            self._patience -= 1
        except (HostFailure, OSError) as error:
            self._patience = 0
            say_once(self._notify, error)
            self._disconnect()
        return otherwise

    def _connect(self) -> Connection:
        """Open, and lay out if it is new. Raises sqlite3.Error, OSError or HostFailure."""
        import sqlite3

        self._secret = secret(self.path.parent)
        with _locked(self.path, fcntl.LOCK_SH):
            # SQLite would make it for everybody to read; its side files get the same mode.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            for suffix in ("", *_SIDE_FILES):
                with suppress(FileNotFoundError):
                    check_file(_beside(self.path, suffix))
            self._db = sqlite3.connect(
                self.path, timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False
            )
            self._inode = _inode(self.path)
            _prepare(self._db)
        return self._db

    def _disconnect(self) -> None:
        if self._db is not None:
            import sqlite3

            with suppress(sqlite3.Error):
                self._db.close()
            self._db = None

    def _remove(self) -> None:
        """Remove the file that is open, as it is damaged; the next who needs one makes it anew.

        If another process was quicker, there is a new one already. While the old one is open its
        inode is not used again.
        """
        with suppress(OSError, HostFailure), _locked(self.path, fcntl.LOCK_EX):
            if _inode(self.path) == self._inode:
                for suffix in (*_SIDE_FILES, ""):
                    _beside(self.path, suffix).unlink(missing_ok=True)


class _Damaged(Exception):
    """The database is not what SQLite wrote."""


def _require_sound(db: Connection) -> None:
    """Raise _Damaged if more than a row is wrong: by a damaged index another row is deleted."""
    if db.execute("PRAGMA integrity_check(1)").fetchone()[0] != b"ok":
        raise _Damaged


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _inode(path: Path) -> tuple[int, int]:
    """Which file that is, also when another has its name."""
    found = os.stat(path)
    return found.st_dev, found.st_ino


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[None]:
    """Raises OSError at once if others are at it: one of them may be stopped for a long time."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    lock = os.open(_beside(path, _LOCK_FILE), flags, 0o600)
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)


def _live_bytes(db: Connection) -> int:
    """What the database takes of the disk, without what is free inside it."""
    count, free, size = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (count - free) * size


@contextmanager
def _transaction(db: Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _prepare(db: Connection) -> None:
    db.text_factory = bytes  # damage may turn a blob into text, which need not be UTF-8
    for setting in _SETTINGS:
        db.execute(f"PRAGMA {setting}").fetchall()
    if _identity(db) != _OURS:
        _lay_out(db)


def _lay_out(db: Connection) -> None:
    """Make the tables, unless somebody was quicker. In what is not ours, that is an error."""
    with _transaction(db):
        if _identity(db) == _OURS:
            return
        for statement in _SCHEMA:
            db.execute(statement)


def _identity(db: Connection) -> tuple[int, int]:
    """Application and version; (0, 0) of an empty database."""
    application, version = (
        int(db.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("application_id", "user_version")
    )
    return application, version
