"""Plain files only: what a user or a recording names may be a device, a FIFO, or endless."""

import errno
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

_PIECE: Final = 1 << 20


def open_plain(path: str | Path) -> BinaryIO:
    """A file to read. Raises OSError, also for anything but a plain file.

    It is looked at before it is opened, since to open a device may do something, and afterwards,
    since it may be another one then; and nobody waits for the other end of a FIFO.
    """
    try:
        _check(os.stat(path).st_mode)
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except ValueError as error:  # a NUL in it, or what no encoding has
        raise OSError(errno.EINVAL, f"no file can have this name ({error})") from None
    try:
        _check(os.fstat(number).st_mode)
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def read_plain(path: str | Path, limit: int) -> bytes:
    """All of a plain file of at most `limit` bytes. Raises OSError, also for a larger one."""
    with open_plain(path) as file:
        _hold(os.fstat(file.fileno()).st_size, limit)
        found = io.BytesIO()  # the size is not to be trusted: /proc says 0, and files grow
        while piece := file.read(_PIECE):
            found.write(piece)
            _hold(found.tell(), limit)
        return found.getvalue()


def _hold(size: int, limit: int) -> None:
    if size > limit:
        raise OSError(errno.EOVERFLOW, f"it has more than {limit:,} bytes")


def _check(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, "it is a directory")
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is not a plain file")
