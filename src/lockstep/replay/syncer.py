"""Has the disk take what was committed, while the guest goes on."""

import os
import threading
from pathlib import Path


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
        thread = threading.Thread(target=self._sync, name="sync", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # there are no more threads: then the guest has to wait
            self._sync()
        else:
            self._thread = thread

    def wait(self) -> None:
        """Until what was begun is done. Raises the OSError that it ended with."""
        self._join()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """Let go of the file."""
        self._join()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _join(self) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _sync(self) -> None:
        try:
            if self._file is None:
                self._file = os.open(self._path, os.O_RDONLY)
                sync_directory(self._path)
            os.fdatasync(self._file)
        except OSError as error:
            self._error = error


def sync_directory(path: Path) -> None:
    """Let the name of a file, too, survive the host's power going."""
    directory = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
