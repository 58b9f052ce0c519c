"""Where a new recording is to be: what was there is not gone before the new one is good.

Meanwhile it waits in a directory beside, PATH.XXXXXXXX.old, with its side files, so that it is a
whole recording there. Only a process that is killed as it begins leaves that directory behind.
"""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from lockstep.errors import HostFailure, LockstepError, RecordingExists, UsageError, blame
from lockstep.replay import scratch
from lockstep.replay.claim import Claim
from lockstep.replay.regular import SIDE_FILES, beside, flaw_of_side_file, may_replace
from lockstep.replay.scratch import OLD, PART

_ALL: Final = (*SIDE_FILES, "")
_ANOTHER_NAME: Final = "Choose another name with -o."
_REPLACE: Final = "Choose another name with -o, or replace it with --force."


class Place:
    """A new, empty file at `path`, and what was there before. States: taken; then perhaps kept;
    then closed. Raises OSError, UsageError, and RecordingExists unless it is to `replace` one."""

    def __init__(self, path: Path, *, replace: bool = True) -> None:
        self._path = path
        self._aside: Path | None = None
        self.kept = self._closed = False
        with reserved(path, replace=replace):
            sides = [f"{path.name}{suffix}" for suffix in SIDE_FILES]
            scratch.sweep(path, PART, [path.name, *sides])
            self._put_aside()
            try:
                self._claim = Claim(path, create=True)
                self._take_permissions()
            except BaseException:
                self._bring_back()
                raise

    @property
    def replaces(self) -> bool:
        """Whether something waits that would be lost."""
        return self._aside is not None and not self.kept

    def is_ours(self) -> bool:
        """Whether it is still this file that has the name."""
        return self._claim.holds(self._path)

    def keep(self) -> None:
        """The new recording is good: the old one goes."""
        if not self.kept:
            self.kept = True
            if self._aside is not None:
                with suppress(OSError):  # it is tried again in the end
                    self._forget(self._aside)
                    self._aside = None

    def close(self) -> None:
        """Let others have it. If it was not to be kept, all is as it was before."""
        if self._closed:
            return
        self._closed = True
        try:
            if not self.kept:
                self._give_back()
            elif self._aside is not None:
                self._forget(self._aside)
        except OSError as error:
            raise HostFailure(
                f"the recording that was replaced cannot be removed: {error.strerror}",
                remedy=f"Remove {self._aside}.",
            ) from error
        finally:
            self._claim.close()

    def _put_aside(self) -> None:
        if any(os.path.lexists(beside(self._path, suffix)) for suffix in _ALL):
            parent = self._path.absolute().parent
            self._aside = Path(tempfile.mkdtemp(OLD, f"{self._path.name}.", parent))
            try:
                _move(self._path, self._aside / self._path.name)
            except BaseException:
                self._bring_back()
                raise

    def _forget(self, aside: Path) -> None:
        for suffix in _ALL:
            beside(aside / self._path.name, suffix).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            aside.rmdir()

    def _give_back(self) -> None:
        try:
            if os.path.lexists(self._path) and not self.is_ours():
                raise OSError("another recording has taken its name")
            for suffix in _ALL:
                beside(self._path, suffix).unlink(missing_ok=True)
            self._bring_back()
        except OSError as error:
            kept = "Remove it."
            if self._aside is not None:
                kept = f"What it was to replace is in {self._aside}."
            raise HostFailure(
                f"{self._path} was not begun, and cannot be removed: {error}", remedy=kept
            ) from error

    def _bring_back(self) -> None:
        """Unless another recording has begun here: then it stays aside, and can be found."""
        if self._aside is None or os.path.lexists(self._path):
            return
        try:
            _move(self._aside / self._path.name, self._path)
            self._aside.rmdir()
        except OSError as error:
            raise HostFailure(
                f"{self._path} was not begun, and what is in {self._aside} cannot be put back: "
                f"{error.strerror}",
                remedy="Move it back by hand, if anything is there, and remove the directory.",
            ) from error

    def _take_permissions(self) -> None:
        """Those of the old recording: what was typed is nobody else's business now, either."""
        if self._aside is not None:
            with suppress(OSError):
                mode = (self._aside / self._path.name).stat().st_mode
                self._path.chmod(stat.S_IMODE(mode) | stat.S_IWUSR)


@contextmanager
def reserved(path: Path, *, replace: bool = True) -> Iterator[None]:
    """Nobody else replaces what is at `path`, if anything is.

    Refuses what is no recording, and one that is just being recorded, or read by other programs;
    any recording unless it is to `replace` one, but not an empty file, with which nothing is lost.
    """
    claim = _claim_replaceable(path, replace=replace)
    try:
        yield
    finally:
        if claim is not None:
            claim.close()


def _claim_replaceable(path: Path, *, replace: bool) -> Claim | None:
    kind: type[LockstepError] = UsageError
    try:
        for suffix in SIDE_FILES:
            side = beside(path, suffix)
            if flaw_of_side_file(path, suffix) is not None:
                raise UsageError(f"{side} is in the way, and no recording's", remedy=_ANOTHER_NAME)
        if not os.path.exists(path):
            return None
        if not may_replace(path):
            problem = "exists and is not a recording"
        else:
            claim = Claim(path)
            used = claim.in_use()
            if not used and (replace or not path.stat().st_size):
                return claim
            claim.close()
            if not used:
                raise RecordingExists(f"{path} is a recording already", remedy=_REPLACE)
            kind, problem = RecordingExists, "is being recorded or read just now"
    except BlockingIOError:
        kind, problem = RecordingExists, "is being recorded or read just now"
    except OSError as error:
        problem = f"cannot be looked into ({error.strerror})"
        kind = blame(error, UsageError)
    raise kind(f"{path} {problem}, so it is not overwritten", remedy=_ANOTHER_NAME)


def _move(source: Path, target: Path) -> None:
    for suffix in _ALL:
        with suppress(FileNotFoundError):
            beside(source, suffix).rename(beside(target, suffix))
