"""How to get at the database of a recording to read it, whatever state it was left in.

Nothing here writes to the recording, or leaves anything beside it that was not there. A finished
recording is opened as it is, without locks. One that is still growing is copied at one instant, so
that its writer may go on, and finish, as if nobody looked. One that was killed is copied, too:
SQLite would have to repair it in place, and its directory may be read-only, or full.
"""

import errno
import fcntl
import glob
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from lockstep.errors import BadRecording, HostFailure, UsageError

APPLICATION_ID: Final = 0x6C6B7374  # "lkst", shown by file(1)
NOT_ONE: Final = "Name a file that `lockstep record` has written."
SIDE_FILES: Final = ("-wal", "-shm", "-journal")
OLD: Final = ".old"
"""Of a directory beside a recording, with what it was to replace."""

_EMPTY: Final = (
    "Record again, or wait a moment. Was it copied? A killed recording needs its -wal file, too."
)
_HEADER_BYTES: Final = 100  # https://sqlite.org/fileformat.html#the_database_header
_WAL: Final = 2
_LOOKS: Final = 3  # for it may become shorter between a look at its header and one at its size

# https://sqlite.org/fileformat.html, 3 and 4.1; an shm file consists of parts of 32 KiB.
_SIDE_MAGIC: Final = {
    "-wal": (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"),
    "-journal": (b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", bytes(8)),
}
_SHM_PART: Final = 32768

Opened = tuple[sqlite3.Connection, Callable[[], None]]
"""A connection, and what to do after closing it."""


def connect_to_read(path: Path) -> Opened:
    """The database as of now. It will not change any more."""
    path = Path(os.path.realpath(path))  # side files are beside the file, and not beside a link
    if _may_be_growing(path, read_header(path)):
        with suppress(sqlite3.Error):
            return _snapshot(path), _nothing
    if any(beside(path, suffix).exists() for suffix in ("-wal", "-journal")):
        return connect_to_copy(path)
    _check_size(path)
    return _connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True), _nothing


def connect_to_rescue(path: Path) -> Opened:
    """The same of one that may be damaged: not everything can be read, but nothing is refused."""
    path = Path(os.path.realpath(path))
    if _may_be_growing(path, read_header(path)):
        with suppress(sqlite3.Error):
            return _snapshot(path), _nothing
    connection, clean_up = connect_to_copy(path)
    # Else SQLite would refuse a file that is shorter than it says it is.
    connection.execute("PRAGMA writable_schema=ON")
    return connection, clean_up


def connect_to_copy(path: Path) -> Opened:
    """A copy in a directory of its own, where SQLite may repair what a crash has left."""
    directory = tempfile.TemporaryDirectory(prefix="lockstep-")
    copy = Path(directory.name) / "copy"
    try:
        for suffix in ("", "-wal", "-journal"):
            if not suffix or beside(path, suffix).exists():
                shutil.copyfile(beside(path, suffix), beside(copy, suffix))
        return _connect(str(copy)), directory.cleanup
    except OSError as error:
        directory.cleanup()
        raise HostFailure(
            f"{path} has to be copied to be read, which fails: {error}",
            remedy="Free some space for temporary files, or set TMPDIR to where there is some.",
        ) from error


def read_header(path: Path) -> bytes:
    """The first bytes, so that a file of another sort is never opened as a database."""
    if not os.path.isfile(path):
        what = "is a directory" if os.path.isdir(path) else "does not exist"
        raise UsageError(
            f"there is no recording {path}: it {what}", remedy=NOT_ONE + left_behind(path)
        )
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        raise UsageError(
            f"cannot read {path}: {error.strerror}", remedy="Check the path and its permissions."
        ) from error
    if not header:
        raise not_begun(path)
    if not is_ours(header):
        raise BadRecording(f"{path} is not a lockstep recording", remedy=NOT_ONE)
    return header


def not_begun(path: Path) -> BadRecording:
    """The error for a file that was killed too early, or is to become a recording."""
    return BadRecording(
        f"{path} is empty: its recording was killed as it began, or is only just beginning",
        remedy=_EMPTY + left_behind(path),
    )


def is_ours(header: bytes) -> bool:
    """Whether a file that begins like this is a recording."""
    return (
        len(header) == _HEADER_BYTES
        and header.startswith(b"SQLite format 3\0")
        and int.from_bytes(header[68:72], "big") == APPLICATION_ID
    )


def may_replace(path: Path) -> bool:
    """Whether a file may be overwritten: never a device, a directory or somebody's thesis."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    return not header or is_ours(header)


def is_side_file(path: Path, suffix: str) -> bool:
    """Whether this may be what SQLite keeps beside a database, and nothing else."""
    if not path.is_file() or path.is_symlink():
        return False
    with path.open("rb") as file:
        start = file.read(12)
    if suffix == "-shm":
        return path.stat().st_size % _SHM_PART == 0
    return not start or start.startswith(_SIDE_MAGIC[suffix])


def left_behind(path: Path) -> str:
    """Where that is which a recording was to replace that was killed as it began; for a remedy."""
    aside = path.parent.glob(f"{glob.escape(path.name)}.{'?' * 8}{OLD}")
    kept = sorted(each / path.name for each in aside if os.path.isfile(each / path.name))
    return "".join(f" What it was to replace is {each}." for each in kept)


class Claim:
    """Shows all others that a recording is being written, or replaced. States: held, then closed.

    SQLite's own locks are not enough: POSIX has a process lose them when it closes the file, though
    it was opened a second time, and only to be read. For the same reason a claim is closed later
    than the database. Raises BlockingIOError if another holds it.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL if create else os.O_RDONLY
        self._file = os.open(path, flags, 0o666)
        try:
            self._lock()
            if not self.holds(path):
                raise BlockingIOError(errno.EAGAIN, "it was replaced just now")
        except BaseException:
            self.close()
            raise

    def holds(self, path: Path) -> bool:
        """Whether the file is the one that has this name."""
        try:
            return os.path.samestat(os.stat(path), os.fstat(self._file))
        except OSError:
            return False

    def close(self) -> None:
        """Let others have it."""
        os.close(self._file)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # a file system without such locks: SQLite's have to do
            pass


def being_read(path: Path) -> bool:
    """Whether somebody has the database open that is not finished. Whoever asks has a claim."""
    try:
        name = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(name, timeout=0, isolation_level=None, uri=True)) as database:
            # In this mode SQLite wants the file for itself before it looks into it.
            database.execute("PRAGMA locking_mode=EXCLUSIVE")
            database.execute("SELECT * FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    except sqlite3.Error:
        pass
    return False


def _may_be_growing(path: Path, header: bytes) -> bool:
    return header[18:20] == bytes((_WAL, _WAL)) and beside(path, "-shm").exists()


def _check_size(path: Path) -> None:
    """SQLite takes what is missing of the last page for zeros, and then for nothing."""
    for _ in range(_LOOKS):
        header, size = read_header(path), path.stat().st_size
        page, pages = (int.from_bytes(header[at : at + n], "big") for at, n in ((16, 2), (28, 4)))
        if size >= page * pages:
            return
    raise sqlite3.DatabaseError(f"it was {page * pages:,} bytes long, and {size:,} are left")


def beside(path: Path, suffix: str) -> Path:
    """A file that SQLite keeps beside the database."""
    return path.with_name(path.name + suffix)


def _snapshot(path: Path) -> sqlite3.Connection:
    snapshot = _connect("")  # temporary: in memory, and on disk if it becomes big
    try:
        with closing(_connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source:
            source.backup(snapshot)
    except BaseException:
        snapshot.close()
        raise
    return snapshot


def _connect(name: str, *, uri: bool = False) -> sqlite3.Connection:
    # The vCPU thread reads, too; the replay mutex sees to it that it is one thread at a time.
    connection = sqlite3.connect(name, uri=uri, isolation_level=None, check_same_thread=False)
    # Damaged text is text with a wrong checksum, and not an error that quotes all of it.
    connection.text_factory = lambda text: text.decode(errors="backslashreplace")
    return connection


def _nothing() -> None:
    pass
