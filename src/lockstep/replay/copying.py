"""A copy of a database and its -wal file as they were at one instant, while others may write.

Without SQLite's locks, which are files beside the recording. The database is copied first. What
its writer moves into it meanwhile is still in the -wal file, which is copied afterwards, as long as
that is not begun anew; its header tells. https://sqlite.org/fileformat.html#the_write_ahead_log
"""

import errno
import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from lockstep.replay.regular import beside, opened

_WAL_HEADER: Final = struct.Struct(">4sIIIIIII")  # magic, version, page, number, salts, checksums
_FRAME: Final = struct.Struct(">IIII8x")  # page number, pages after a commit, salts
_PIECE: Final = 1 << 20
_LEAST_PAGE: Final = 512
_MOST_PAGE: Final = 65536


class Changed(Exception):
    """The -wal file was begun anew, or is gone: the copy is of no instant."""


def copy_database(path: Path, copy: Path, *, log: bool = True) -> None:
    """Copy it, with what is good of its -wal file. Raises Changed, OSError and NotRegular.

    Without its `log` if the -wal file is none of its own.
    """
    before = _state(path)
    with opened(path) as source, open(copy, "xb") as target:
        _check_room(source, copy)
        _copy_data(source, target.fileno())
    if log:
        _copy_log(beside(path, "-wal"), beside(copy, "-wal"))
    after = _state(path)
    if before[0] != after[0] or (not before[0] and before != after):
        raise Changed


def _state(path: Path) -> tuple[bytes, int, int]:
    """The header of the -wal file, if it has one; the database's size and time."""
    header = b""
    with suppress(FileNotFoundError), opened(beside(path, "-wal")) as log:
        header = os.pread(log, _WAL_HEADER.size, 0)
    found = os.stat(path)
    return header, found.st_size, found.st_mtime_ns


def _check_room(source: int, copy: Path) -> None:
    """What is stored, without the holes, must fit: a disk is not filled first."""
    if os.fstat(source).st_blocks * 512 > shutil.disk_usage(copy.parent).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _copy_data(source: int, target: int) -> None:
    """A hole stays a hole."""
    size = os.fstat(source).st_size
    for start, end in _extents(source, size):
        for at in range(start, end, _PIECE):
            _write(target, os.pread(source, min(_PIECE, end - at), at), at)
    os.ftruncate(target, size)


def _extents(file: int, size: int) -> Iterator[tuple[int, int]]:
    """Where there is data."""
    at = 0
    while at < size:
        try:
            start = os.lseek(file, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # there is none any more
                return
            yield at, size  # a file system that does not know
            return
        at = min(os.lseek(file, start, os.SEEK_HOLE), size)
        yield start, at


def _copy_log(log: Path, copy: Path) -> None:
    """The frames from its beginning on that belong to it; SQLite checks their checksums."""
    try:
        with opened(log) as source, open(copy, "xb") as target:
            header = os.pread(source, _WAL_HEADER.size, 0)
            if len(header) < _WAL_HEADER.size:
                return
            _write(target.fileno(), header, 0)
            _, _, page, _, *salts, _, _ = _WAL_HEADER.unpack(header)
            if page in range(_LEAST_PAGE, _MOST_PAGE + 1):
                _copy_frames(source, target.fileno(), page, tuple(salts))
    except FileNotFoundError:
        return


def _copy_frames(source: int, target: int, page: int, salts: tuple[int, ...]) -> None:
    frame, at = _FRAME.size + page, _WAL_HEADER.size
    many = max(1, _PIECE // frame)
    while True:
        piece = os.pread(source, many * frame, at)
        whole = len(piece) // frame
        good = next((n for n in range(whole) if not _belongs(piece, n * frame, salts)), whole)
        _write(target, piece[: good * frame], at)
        at += good * frame
        if good < many:
            return


def _belongs(piece: bytes, at: int, salts: tuple[int, ...]) -> bool:
    number, _, *own = _FRAME.unpack_from(piece, at)
    return number > 0 and tuple(own) == salts


def _write(file: int, data: bytes, at: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(file, view, at)
        view, at = view[done:], at + done
