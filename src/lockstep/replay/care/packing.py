"""Puts the images into a recording, so that the file alone replays anywhere."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from lockstep.replay.care.check import check
from lockstep.replay.care.writing import write_recording
from lockstep.replay.format import Manifest
from lockstep.replay.log import LogReader
from lockstep.replay.merge import merge_chunks, merge_texts


def pack(
    log: LogReader,
    images: Mapping[str, bytes],
    target: Path,
    *,
    manifest: Manifest | None = None,
    replace: bool = True,
) -> None:
    """Write the same recording with `images`, by SHA-256, to `target`, which may be its own place.

    `manifest`: another one that says the same of the machine.

    Another recording there is refused unless it is to `replace` one; a damaged one is refused, as
    packing must not hide it.
    """
    check(log)
    ending = log.ending
    write_recording(
        target,
        manifest or log.manifest,
        images.items(),
        merge_chunks(log.chunks()),
        merge_texts(log.texts()),
        None if ending is None else lambda count: msgspec.structs.replace(ending, chunks=count),
        replace=replace,
    )
