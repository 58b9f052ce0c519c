"""Temporary directories: each is locked while somebody lives in it, and all can be removed at once.

One that was left behind by a process that was killed is empty of life: `sweep` removes it.
"""

import fcntl
import glob
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

PART: Final = ".part"
"""Of a directory beside a recording, in which it is being written anew."""
OLD: Final = ".old"
"""Of a directory beside a recording, with what it was to replace."""

_RANDOM: Final = "?" * 8  # what tempfile.mkdtemp puts into a name

_living: Final[dict[Path, int]] = {}
"""Those of this process, with the descriptor that holds the lock."""


def make(suffix: str = "", prefix: str = "lockstep-", parent: Path | None = None) -> Path:
    """A new directory. Raises OSError."""
    made = Path(tempfile.mkdtemp(suffix, prefix, parent))
    try:
        lock = _open(made)
    except OSError as error:
        try:
            made.rmdir()
        except OSError:
            why = f"{error.strerror}; {made} is left behind"
            raise OSError(error.errno, why) from error
        raise
    with suppress(OSError):  # a file system without locks: nobody is certain then
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    _living[made] = lock
    return made


def remove(directory: Path) -> None:
    """With all that is in it. Raises OSError, and then it is still there."""
    try:
        shutil.rmtree(directory)
    finally:
        lock = _living.pop(directory, None)
        if lock is not None:
            os.close(lock)


def remove_all() -> None:
    """Those of this process, as far as that is possible. From any thread."""
    for directory in list(_living):
        shutil.rmtree(directory, ignore_errors=True)


def left_behind(path: Path, suffix: str) -> list[Path]:
    """Directories beside `path` that may be such, of a process that is gone."""
    pattern = f"{glob.escape(path.name)}.{_RANDOM}{suffix}"
    return sorted(each for each in path.parent.glob(pattern) if _is_dead(each))


def sweep(path: Path, suffix: str, names: Iterable[str]) -> None:
    """Remove those that hold nothing but files of these names."""
    known = set(names)
    for each in left_behind(path, suffix):
        with suppress(OSError):
            if set(os.listdir(each)) <= known:
                shutil.rmtree(each)


def _is_dead(directory: Path) -> bool:
    """Whether it is a directory of this user in which nobody lives."""
    try:
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            return False
        lock = _open(directory)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(lock)
    except OSError:
        return False
    return True


def _open(directory: Path) -> int:
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
