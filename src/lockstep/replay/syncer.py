"""Has the disk take what was committed, while the guest goes on."""

import os
import threading
from pathlib import Path

from lockstep.errors import is_of_host


class Syncer:
    """Syncs one file, beside whoever writes it, again and again. States: open, then closed.

    Who commits waits for the sync of the commit before. So never more than one is not on the disk,
    and a disk that hangs stops the guest.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None

    def begin(self) -> None:
        """Sync what is in the file now. Raises nothing: what is committed is committed."""
        self._join()
        self._thread = threading.Thread(target=self._sync, name="sync", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # there are no more threads: then the guest has to wait
            self._thread = None
            self._sync()

    def wait(self) -> None:
        """Until what was begun is done. Raises the OSError that this, or one before, ended with:
        what the disk did not take once, it may have forgotten."""
        self._join()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Let go of the file."""
        self._join()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _join(self) -> None:
        if self._thread is not None and self._thread.ident is not None:
            self._thread.join()
        self._thread = None

    def _sync(self) -> None:
        try:
            if self._file is None:
                self._file = os.open(self._path, os.O_RDONLY)
                sync_directory(self._path)
            os.fdatasync(self._file)
        except OSError as error:
            self._error = error


def sync_directory(path: Path) -> None:
    """Let the name of a file, too, survive the host's power going, if the file system knows how."""
    try:
        directory = os.open(path.absolute().parent, os.O_RDONLY)
    except PermissionError:  # one may write to it, and not read it
        return
    try:
        os.fsync(directory)
    except OSError as error:
        if is_of_host(error):  # else the file system does not know how
            raise
    finally:
        os.close(directory)
