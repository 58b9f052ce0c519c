"""A recording written anew as a whole. It appears under its name when it is complete and safe."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from lockstep.errors import HostFailure, LockstepError
from lockstep.replay import scratch
from lockstep.replay.faults import discard
from lockstep.replay.file import Range, RecordingFile, Text
from lockstep.replay.format import Ending, Manifest
from lockstep.replay.place import reserved
from lockstep.replay.regular import SIDE_FILES, beside
from lockstep.replay.scratch import PART
from lockstep.replay.syncer import sync_directory


def write_recording(
    target: Path,
    manifest: Manifest,
    images: Iterable[tuple[str, bytes]],
    chunks: Iterable[Range],
    texts: Iterable[Text],
    ending: Callable[[int], Ending] | None,
    *,
    replace: bool = True,
) -> None:
    """Write it; `ending` is told how many chunks there are. An old recording is refused unless it
    is to `replace` one."""
    with _replacing(target, replace=replace) as part:
        file = RecordingFile.create(part)
        try:
            for sha256, data in images:
                file.put_image(sha256, data)
            rows = list(chunks)
            about: dict[str, msgspec.Struct] = {"manifest": manifest}
            if ending is not None:
                about["ending"] = ending(len(rows))
            file.put(rows, list(texts), about=about)
            plain = file.finish()
        finally:
            file.close()
        if not plain:
            raise OSError(
                "it could not be made one file, as the disk is full, or somebody reads it"
            )


@contextmanager
def _replacing(target: Path, *, replace: bool) -> Iterator[Path]:
    """A place to write to, in a folder beside `target`, which is replaced in the end by what is
    there."""
    target = Path(os.path.realpath(target))
    with reserved(target, replace=replace):
        pass  # what would be refused in the end is refused at once
    try:
        scratch.sweep(target, PART, [f"{target.name}{suffix}" for suffix in ("", *SIDE_FILES)])
        folder = scratch.make(PART, f"{target.name}.", target.absolute().parent)
    except OSError as error:
        raise _cannot_write(target, error) from error
    try:
        part = folder / target.name
        yield part
        with reserved(target, replace=replace):
            _put_in_place(part, target)
    except LockstepError as error:
        error.remedy += discard(folder)
        raise
    except OSError as error:
        raise _cannot_write(target, error, discard(folder)) from error
    except BaseException:
        discard(folder)
        raise
    if left := discard(folder):
        raise HostFailure(f"{target} is written, and its directory is not", remedy=left.strip())


def _put_in_place(part: Path, target: Path) -> None:
    """The side files of an old recording go last: beside a finished one nobody reads them."""
    with suppress(FileNotFoundError):
        part.chmod(stat.S_IMODE(target.stat().st_mode))
    part.replace(target)
    for suffix in SIDE_FILES:
        beside(target, suffix).unlink(missing_ok=True)
    sync_directory(target)


def _cannot_write(target: Path, error: OSError, left: str = "") -> LockstepError:
    return HostFailure(
        f"cannot write {target}: {error.strerror or error}",
        remedy=f"Free some space, or choose another name with -o.{left}",
    )
