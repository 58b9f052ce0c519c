"""The files of a recording, as a stranger may have made them: only regular ones are opened.

What a name stands for is asked of the open file, and never of the name, which may stand for
something else by then. Nothing here waits (for the writer of a FIFO), follows a link, or writes.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lockstep.errors import BadRecording, UsageError, blame, is_of_host
from lockstep.replay.bounds import MAX_BLANK, MAX_FILE, MAX_SIDE
from lockstep.replay.faults import cannot_read, left_behind

APPLICATION_ID: Final = 0x6C6B7374  # "lkst", shown by file(1)
NOT_ONE: Final = "Name a file that `lockstep record` has written."
SIDE_FILES: Final = ("-wal", "-shm", "-journal")
_EMPTY: Final = (
    "Record again, or wait a moment. Was it copied? A killed recording needs its -wal file, too."
)
_NOT_ITS_OWN: Final = "Remove it, or copy the recording to another directory with its -wal file."
_HEADER_BYTES: Final = 100  # https://sqlite.org/fileformat.html#the_database_header

# https://sqlite.org/fileformat.html, 3 and 4.1; an shm file consists of parts of 32 KiB.
_MAGIC_BYTES: Final = 8
_SIDE_MAGIC: Final = {
    "-wal": (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83"),
    "-journal": (b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7",),
}
# Where the host's power went it may have any number of the pieces in which SQLite makes one longer.
_SHM_PIECE: Final = 4096
_SHM_EMPTY: Final = 3


class NotRegular(Exception):
    """There is something of this name, and it is no file that can be read; `str` says what."""


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """A descriptor of the regular file called so. Raises NotRegular and OSError.

    Links are not followed: resolve the path before, if it may be one.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        what = _kind(os.lstat(path).st_mode)
        if what is not None:
            raise NotRegular(what) from None
        raise
    try:
        what = _kind(os.fstat(file).st_mode)
        if what is not None:
            raise NotRegular(what)
        yield file
    finally:
        os.close(file)


def read_header(path: Path) -> bytes:
    """The first bytes, so that a file of another sort is never opened as a database."""
    try:
        with opened(Path(os.path.realpath(path))) as file:
            header, size = os.pread(file, _HEADER_BYTES, 0), os.fstat(file).st_size
    except NotRegular as error:
        kind = UsageError if str(error) == "a directory" else BadRecording
        raise kind(
            f"there is no recording {path}: it is {error}", remedy=NOT_ONE + left_behind(path)
        ) from error
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no recording {path}: it does not exist", remedy=NOT_ONE + left_behind(path)
        ) from error
    except OSError as error:
        raise blame(error, UsageError)(
            f"cannot read {path}: {error.strerror}", remedy="Check the path and its permissions."
        ) from error
    if not header:
        raise not_begun(path)
    if not is_ours(header) or size > MAX_FILE:
        raise BadRecording(
            f"{path} is not a lockstep recording", remedy=NOT_ONE + left_behind(path)
        )
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
    try:
        with opened(path) as file:
            header = os.pread(file, _HEADER_BYTES, 0)
    except NotRegular:
        return False
    return not header or is_ours(header)


def flaw_of_side_file(path: Path, suffix: str) -> str | None:
    """Why this cannot be what SQLite keeps beside a database; None if it can be, or if there is
    nothing of that name. Raises OSError."""
    side = beside(path, suffix)
    try:
        with opened(side) as file:
            size = os.fstat(file).st_size
            start = os.pread(file, _MAGIC_BYTES, 0)
    except NotRegular as error:
        return str(error)
    except FileNotFoundError:
        return None
    if size > MAX_SIDE[suffix] or (size > MAX_BLANK and suffix == "-wal" and not any(start)):
        return f"{size:,} bytes long"
    if suffix == "-shm":
        return "something else" if size % _SHM_PIECE and size != _SHM_EMPTY else None
    return None if not any(start) or start.startswith(_SIDE_MAGIC[suffix]) else "something else"


def check_side_files(path: Path) -> None:
    """BadRecording if there is anything beside the recording that only has the name of its own."""
    for suffix in SIDE_FILES:
        try:
            flaw = flaw_of_side_file(path, suffix)
        except OSError as error:
            if is_of_host(error):
                raise cannot_read(beside(path, suffix), error) from error
            flaw = f"not readable ({error.strerror})"
        if flaw is not None:
            side = beside(path, suffix)
            raise BadRecording(
                f"{side} is none of the recording's files: it is {flaw}", remedy=_NOT_ITS_OWN
            )


def beside(path: Path, suffix: str) -> Path:
    """A file that SQLite keeps beside the database."""
    return path.with_name(path.name + suffix)


def _kind(mode: int) -> str | None:
    """What is no regular file, in words."""
    if stat.S_ISREG(mode):
        return None
    for test, what in (
        (stat.S_ISDIR, "a directory"),
        (stat.S_ISLNK, "a link"),
        (stat.S_ISFIFO, "a FIFO"),
        (stat.S_ISSOCK, "a socket"),
    ):
        if test(mode):
            return what
    return "a device"
