"""A recording written anew as a whole. It appears under its name when it is complete and safe."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from lockstep.errors import HostFailure
from lockstep.replay.access import SIDE_FILES, beside
from lockstep.replay.file import Range, RecordingFile, Text
from lockstep.replay.format import Ending, Manifest
from lockstep.replay.predecessor import check_replaceable
from lockstep.replay.syncer import sync_directory


def write_recording(
    target: Path,
    manifest: Manifest,
    images: Iterable[tuple[str, bytes]],
    chunks: Iterable[Range],
    texts: Iterable[Text],
    ending: Callable[[int], Ending] | None,
) -> None:
    """Write it; `ending` is told how many chunks there are. An old recording is replaced."""
    check_replaceable(target)
    part = target.with_name(f"{target.name}.part")
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
        file.close()
        if not plain:
            raise HostFailure(
                f"{part} could not be made one file: the disk is full, or somebody reads it",
                remedy=f"Free some space; {target} is as it was.",
            )
        _put_in_place(part, target)
    except BaseException:
        file.close()
        for suffix in ("", *SIDE_FILES):
            with suppress(OSError):
                beside(part, suffix).unlink()
        raise


def _put_in_place(part: Path, target: Path) -> None:
    check_replaceable(target)  # still
    for suffix in SIDE_FILES:  # SQLite would take an old -wal file for a part of the new recording
        beside(target, suffix).unlink(missing_ok=True)
    os.replace(part, target)
    sync_directory(target)
