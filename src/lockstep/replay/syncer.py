"""Has the disk take what was committed, while the guest goes on."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path


class Syncer:
    """Syncs one file, in a thread of its own, again and again. Not thread-safe by itself.

    Whoever commits waits for the sync of the commit before, so never more than one is not on the
    disk, and a disk that hangs stops the guest. States: open, then closed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._pool = ThreadPoolExecutor(1, "sync")
        self._under_way: Future[None] | None = None

    def begin(self) -> None:
        """Sync what is in the file now. It must exist, and keeps its name. Raises OSError."""
        self.wait()
        if self._file is None:
            self._file = os.open(self._path, os.O_RDONLY)
            self._pool.submit(sync_directory, self._path)
        self._under_way = self._pool.submit(os.fdatasync, self._file)

    def wait(self) -> None:
        """Until what was begun is done. Raises the OSError that it ended with."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def close(self) -> None:
        """Wait for the thread, and say nothing of how it ended."""
        self._pool.shutdown()
        if self._file is not None:
            os.close(self._file)
            self._file = None


def sync_directory(path: Path) -> None:
    """Let the name of a file, too, survive the host's power going."""
    directory = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
