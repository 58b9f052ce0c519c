"""A recording written anew as a whole. It appears under its name when it is complete and safe."""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from lockstep.errors import UsageError
from lockstep.replay.access import may_replace
from lockstep.replay.file import Range, RecordingFile, Text
from lockstep.replay.format import Ending, Manifest


def write_recording(
    target: Path,
    manifest: Manifest,
    images: Iterable[tuple[str, bytes]],
    chunks: Iterable[Range],
    texts: Iterable[Text],
    ending: Callable[[int], Ending] | None,
) -> None:
    """Write it; `ending` is told how many chunks there are. An old recording is replaced."""
    if target.exists() and not may_replace(target):
        raise UsageError(
            f"{target} exists and is not a recording, so it is not overwritten",
            remedy="Choose another name with -o.",
        )
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
        file.finish()
        file.close()
        _put_in_place(part, target)
    except BaseException:
        file.close()
        for leftover in part.parent.glob(f"{part.name}*"):
            with suppress(OSError):
                leftover.unlink()
        raise


def _put_in_place(part: Path, target: Path) -> None:
    os.replace(part, target)
    directory = os.open(target.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(directory)  # the new name, too, survives the host's power going
    finally:
        os.close(directory)
