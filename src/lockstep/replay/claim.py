"""Who writes a recording, and who looks into one: seen by locks, without opening the database.

To open it would be to have SQLite repair it, by what a stranger has put beside it.
"""

import errno
import fcntl
import os
import struct
from pathlib import Path
from typing import Final

# https://sqlite.org/lockingv3.html: 510 bytes, of which every reader locks one, or all.
_SHARED_FIRST: Final = 0x40000002
_SHARED_BYTES: Final = 510
_FLOCK: Final = "hhqqi4x"  # struct flock: type, whence, start, length, pid (64-bit Linux)
_ASK: Final = getattr(fcntl, "F_OFD_GETLK", None)


class Claim:
    """Shows all others that a recording is being written, or replaced. States: held, then closed.

    SQLite's own locks are not enough: POSIX has a process lose them when it closes the file, though
    it was opened a second time, and only to be read. For the same reason a claim is closed later
    than the database. Raises BlockingIOError if another holds it.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL if create else os.O_RDONLY
        self._file = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        try:
            self._lock()
            if not self.holds(path):
                raise BlockingIOError(errno.EAGAIN, "it was replaced just now")
        except BaseException:
            self.close()
            raise

    def holds(self, path: Path) -> bool:
        """Whether the file is the one that has this name. Raises OSError."""
        try:
            return os.path.samestat(os.stat(path), os.fstat(self._file))
        except FileNotFoundError:
            return False

    def in_use(self) -> bool:
        """Whether anybody has the database open, with a lock of SQLite's."""
        if _ASK is None:
            return False
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, _SHARED_FIRST, _SHARED_BYTES, 0)
        try:
            answer = fcntl.fcntl(self._file, _ASK, asked)
        except OSError:  # a file system without such locks
            return False
        return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)

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
