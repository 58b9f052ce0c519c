"""The recording that a new one replaces: out of the way, and not gone before the new one is good.

Meanwhile it waits in a directory beside the new one, PATH.XXXXXXXX.old, with its side files, so
that it is a whole recording there. Only a process that is killed as it begins leaves that directory
behind.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from lockstep.errors import HostFailure, UsageError
from lockstep.replay.access import OLD, SIDE_FILES, beside, in_use, may_replace

_ALL: Final = (*SIDE_FILES, "")


class Predecessor:
    """What was at `path`, if anything. States: aside; then forgotten, or brought back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aside: Path | None = None
        self._settled = False
        if any(os.path.lexists(beside(path, suffix)) for suffix in _ALL):
            self._aside = Path(tempfile.mkdtemp(OLD, f"{path.name}.", path.absolute().parent))
            try:
                _move(path, self._aside / path.name)
            except BaseException:
                _move(self._aside / path.name, path)
                self._aside.rmdir()
                raise

    @property
    def waits(self) -> bool:
        """Whether there is one, and it may still come back."""
        return self._aside is not None and not self._settled

    def forget(self) -> None:
        """The new recording is good: the old one goes."""
        if not self._settled:
            self._settled = True
            if self._aside is not None:
                shutil.rmtree(self._aside, ignore_errors=True)

    def bring_back(self) -> None:
        """The new recording never began: all is as it was before. Later than `forget`: nothing."""
        if self._settled:
            return
        self._settled = True
        try:
            for suffix in _ALL:
                beside(self._path, suffix).unlink(missing_ok=True)
            if self._aside is not None:
                _move(self._aside / self._path.name, self._path)
                self._aside.rmdir()
        except OSError as error:
            kept = "" if self._aside is None else f"What it was to replace is in {self._aside}."
            raise HostFailure(
                f"{self._path} was not begun, and cannot be removed: {error}", remedy=kept
            ) from error


def check_replaceable(path: Path) -> None:
    """Refuse to replace what is no recording, or one that is just being recorded or read.

    What a killed recording has in its -wal file is in its place afterwards.
    """
    if not path.exists():
        return
    try:
        if not may_replace(path):
            problem = "exists and is not a recording"
        elif in_use(path):
            problem = "is being recorded or read just now"
        else:
            return
    except OSError as error:
        problem = f"cannot be looked into ({error.strerror})"
    raise UsageError(
        f"{path} {problem}, so it is not overwritten", remedy="Choose another name with -o."
    )


def _move(source: Path, target: Path) -> None:
    for suffix in _ALL:
        with suppress(FileNotFoundError):
            beside(source, suffix).rename(beside(target, suffix))
