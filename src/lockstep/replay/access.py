"""How to get at the database of a recording to read it, whatever state it was left in.

Nothing here writes to the recording, leaves anything beside it, or locks it, and SQLite never sees
what is beside it. A finished recording is opened as it is. One that has a -wal file, because it is
still growing or was killed, is copied with that at one instant, and SQLite works on the copy: it
would have to repair it in place, whose directory may be read-only, or full, or a stranger's. A
-journal is never played back: no recorder leaves one, and what it says may be done to any file.
"""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lockstep.errors import HostFailure
from lockstep.replay import scratch
from lockstep.replay.copying import Changed, copy_database
from lockstep.replay.faults import discard
from lockstep.replay.hardening import harden
from lockstep.replay.regular import NotRegular, beside, check_side_files, read_header

_PLAIN: Final = bytes((1, 1))  # of a header, its bytes 18 and 19
_WAL: Final = bytes((2, 2))
_LOOKS: Final = 3  # for it may become shorter between a look at its header and one at its size
_COPIES: Final = 20
_NO_ROOM: Final = (
    "Free some space for temporary files, or set TMPDIR to a directory that may be written to."
)

Opened = tuple[sqlite3.Connection, Callable[[], None]]
"""A connection, and what to do after closing it."""


def connect_to_read(path: Path) -> Opened:
    """The database as of now. It will not change any more."""
    path = Path(os.path.realpath(path))  # side files are beside the file, and not beside a link
    for _ in range(_COPIES):
        header = read_header(path)
        check_side_files(path)
        if not _needs_its_log(path, header):
            _check_size(path)
            database = _connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
            return _hardened(database, _nothing)
        try:
            return _hardened(*_connect_to_copy(path))
        except Changed:  # it was finished, or its log begun anew: all is different now
            continue
    raise _too_quick(path)


def connect_to_rescue(path: Path) -> Opened:
    """The same of one that may be damaged: not everything can be read, but nothing is refused."""
    path = Path(os.path.realpath(path))
    for _ in range(_COPIES):
        header = read_header(path)
        check_side_files(path)
        try:
            connection, clean_up = _connect_to_copy(path, log=header[18:20] != _PLAIN)
        except Changed:
            continue
        return _hardened(connection, clean_up, rescue=True)
    raise _too_quick(path)


def _connect_to_copy(path: Path, *, log: bool = True) -> Opened:
    """A copy in a directory of its own, where SQLite may repair what a crash has left. Raises
    Changed."""
    try:
        directory = scratch.make()
    except OSError as error:
        raise _cannot_copy(path, error) from error
    try:
        copy_database(path, directory / "copy", log=log)
        return _connect(str(directory / "copy")), lambda: _remove(directory)
    except (OSError, NotRegular, sqlite3.Error) as error:
        raise _cannot_copy(path, error, left=discard(directory)) from error
    except BaseException:
        discard(directory)
        raise


def _remove(directory: Path) -> None:
    if left := discard(directory):
        raise HostFailure(f"the temporary copy {directory} cannot be removed", remedy=left.strip())


def _too_quick(path: Path) -> HostFailure:
    return HostFailure(
        f"{path} grows faster than it can be copied to be read",
        remedy="Wait until it is finished.",
    )


def _cannot_copy(path: Path, error: Exception, left: str = "") -> HostFailure:
    what = error.strerror if isinstance(error, OSError) and error.strerror else error
    return HostFailure(
        f"{path} has to be copied to be read, which fails: {what}", remedy=_NO_ROOM + left
    )


def _needs_its_log(path: Path, header: bytes) -> bool:
    """Whether the file alone is not the recording, or may not be for much longer."""
    if header[18:20] != _WAL:
        return False  # if there is a -wal file it is an older recording's
    return any(beside(path, suffix).exists() for suffix in ("-wal", "-shm"))


def _check_size(path: Path) -> None:
    """SQLite takes what is missing of the last page for zeros, and then for nothing."""
    for _ in range(_LOOKS):
        header, size = read_header(path), path.stat().st_size
        page, pages = (int.from_bytes(header[at : at + n], "big") for at, n in ((16, 2), (28, 4)))
        if size >= page * pages:
            return
    raise sqlite3.DatabaseError(f"it was {page * pages:,} bytes long, and {size:,} are left")


def _connect(name: str, *, uri: bool = False) -> sqlite3.Connection:
    # The vCPU thread reads, too; the replay mutex sees to it that it is one thread at a time.
    connection = sqlite3.connect(name, uri=uri, isolation_level=None, check_same_thread=False)
    # Damaged text is text with a wrong checksum, and not an error that quotes all of it.
    connection.text_factory = lambda text: text.decode(errors="backslashreplace")
    return connection


def _hardened(
    connection: sqlite3.Connection, clean_up: Callable[[], None], *, rescue: bool = False
) -> Opened:
    try:
        if rescue:  # else SQLite would refuse a file that is shorter than it says it is
            connection.execute("PRAGMA writable_schema=ON")
        harden(connection)
    except BaseException:
        connection.close()
        clean_up()
        raise
    return connection, clean_up


def _nothing() -> None:
    pass
