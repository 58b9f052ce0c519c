"""A recording written anew with other events, through replay's own codec: every CRC is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from lockstep.det.instant import START
from lockstep.replay.chain import Chain
from lockstep.replay.codec import encode_chunk
from lockstep.replay.file import RecordingFile
from lockstep.replay.format import Checkpoint, Logged
from lockstep.replay.log import LogReader

Change = Callable[[list[Logged]], list[Logged]]


def tamper(source: Path, target: Path, change: Change, *, sealed: bool = False) -> None:
    """Copy a finished recording with other events.

    `sealed`: also compute the checksum anew that runs through the log, as if a recorder had logged
    this in good faith.
    """
    log, texts = LogReader(source), RecordingFile.open(source)
    try:
        logged = change(list(log.events()))
        assert log.ending is not None, "a finished recording"
        ending = msgspec.structs.replace(log.ending, chunks=1)
        if sealed:
            logged, chain = _seal(logged)
            ending = msgspec.structs.replace(ending, chain=chain)
        rows = [(row.port, row.start, row.data) for row in texts.texts()]
        data = encode_chunk(START, logged, ending.outputs)
        written = RecordingFile.create(target)
        written.put_about(manifest=log.manifest)
        written.put([(0, ending.instructions, data)], rows, about={"ending": ending})
        written.finish()
        written.close()
    finally:
        log.close()
        texts.close()


def _seal(logged: Sequence[Logged]) -> tuple[list[Logged], int]:
    chain, done = Chain(), list[Logged]()
    for each in logged:
        event = each.event
        if isinstance(event, Checkpoint):
            event = msgspec.structs.replace(event, chain=chain.value)
        done.append(Logged(each.at, event))
        chain.add(done[-1])
    return done, chain.value
