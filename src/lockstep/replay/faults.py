"""Whose fault it is that a file cannot be read or written: the host's, or what is in it."""

import errno
import glob
import os
import re
import sqlite3
from pathlib import Path
from typing import Final

from lockstep import errors
from lockstep.errors import BadRecording, HostFailure, LockstepError
from lockstep.replay import scratch
from lockstep.replay.format import VERSION
from lockstep.replay.words import readable

_OF_HOST: Final = (
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM),
    *(sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_PROTOCOL),
)

_PAGE_ERROR: Final = re.compile(r"unable to get the page|failed to get page")


def is_of_host(error: BaseException) -> bool:
    """Whether reading failed, and not what was read."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", 0)
        return code & 0xFF in _OF_HOST and code != sqlite3.SQLITE_IOERR_SHORT_READ
    return errors.is_of_host(error)


def flaw(database: sqlite3.Connection) -> str | None:
    """What is wrong with a database, of which every page is looked at. Raises sqlite3.Error and
    OSError."""
    found = str(database.execute("PRAGMA integrity_check(1)").fetchone()[0])
    if _PAGE_ERROR.search(found):  # which is none of its contents
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    return None if found == "ok" else found.splitlines()[-1]


def _is_misread(database: sqlite3.Connection, error: BaseException) -> bool:
    """Whether damage is none: SQLite takes a page that cannot be read (EIO) for a damaged one.

    Then it cannot be read a second time, either, or it is good.
    """
    if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_CORRUPT:
        return False
    try:
        return flaw(database) is None
    except (OSError, sqlite3.Error) as second:
        return is_of_host(second)


def blame(error: BaseException, otherwise: type[LockstepError]) -> type[LockstepError]:
    """What to raise because of `error`: `otherwise`, unless that is the host's fault."""
    return HostFailure if is_of_host(error) else otherwise


def cannot_read(path: Path, error: Exception) -> HostFailure:
    """The error for a file of which nobody knows whether it is good."""
    return HostFailure(
        f"cannot read {path}: {getattr(error, 'strerror', None) or error}",
        remedy="Try again, or copy it to where it can be read: nothing is known to be wrong in it.",
    )


def left_behind(path: Path) -> str:
    """Where that is which a recording was to replace that was killed as it began; for a remedy."""
    aside = path.parent.glob(f"{glob.escape(path.name)}.{'?' * 8}{scratch.OLD}")
    kept = sorted(each / path.name for each in aside if os.path.isfile(each / path.name))
    return "".join(f" What it was to replace is {each}." for each in kept)


def discard(directory: Path) -> str:
    """Remove a directory of ours with all that is in it; for a remedy, what of it is left."""
    try:
        scratch.remove(directory)
    except OSError:
        return f" {directory} is left behind: remove it."
    return ""


def damaged(path: Path, error: object) -> BadRecording:
    """The error for a file that was a recording once."""
    what = readable(" ".join(str(error).split()))
    return BadRecording(
        f"{path} is damaged: {what if len(what) < 200 else what[:200] + '...'}",
        remedy="Copy it again from where it was recorded; one that was killed, together with its "
        f"-wal file. `lockstep recover` saves what comes before the damage.{left_behind(path)}",
    )


def newer_format(path: Path, version: int) -> BadRecording:
    """The error for a recording of a format that is not known yet."""
    return BadRecording(
        f"{path} has format {version}; this lockstep reads format {VERSION}",
        remedy="Use the version of lockstep that recorded it, or a newer one.",
    )


def unreadable(
    path: Path, error: Exception, database: sqlite3.Connection | None = None
) -> LockstepError:
    """The error for what SQLite, or a decoder, says of a recording, which is in `database`."""
    if database is not None and _is_misread(database, error):
        error = OSError(errno.EIO, os.strerror(errno.EIO))
    return cannot_read(path, error) if is_of_host(error) else damaged(path, error)


def cannot_begin(path: Path, error: Exception, kind: type[LockstepError]) -> LockstepError:
    """The error for a recording that is not begun. When its file is made, nothing can be wrong any
    more with what was asked for."""
    return kind(
        f"cannot write the recording {path}: {error}",
        remedy="Check the directory, its permissions and the free space.",
    )


def cannot_go_on(path: Path, error: Exception) -> HostFailure:
    """The error for a recording that ends, since it cannot be written."""
    return HostFailure(
        f"cannot write the recording {path} any more: {error}",
        remedy="Free some space, or bound the recording with --max-log. What was committed before "
        "replays: `lockstep info` says up to where.",
    )
