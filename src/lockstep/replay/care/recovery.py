"""Saves what comes before the first damage of a recording, or before it was cut.

A recording can be cut where it is known how many bytes had left through each port: at the end of a
chunk, and at a checkpoint. The last such place that all events and all output are there for becomes
its end.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from lockstep.det.instant import START, Icount
from lockstep.errors import BadRecording, UsageError
from lockstep.replay.care.writing import write_recording
from lockstep.replay.chain import AlteredLog
from lockstep.replay.codec import Chunk, compress, decompress
from lockstep.replay.faults import damaged
from lockstep.replay.file import ChunkRow, TextRow
from lockstep.replay.format import Checkpoint, Ending
from lockstep.replay.log import LogReader
from lockstep.replay.merge import merge_chunks, merge_texts

CUT: Final = "cut"
"""The reason of an ending that is not the machine's own."""


class Recovered(msgspec.Struct, frozen=True):
    """What was saved. `complete`: to the machine's own end. `lost`: what was not, and why."""

    recording: str
    instructions: int
    events: int
    output_bytes: int
    complete: bool
    lost: tuple[str, ...]


class _Place(NamedTuple):
    """Where to cut: after so many chunks, and so many events of the next."""

    at: Icount
    chunks: int
    events: int
    outputs: dict[str, int]


def recover(source: Path, target: Path, *, replace: bool = True) -> Recovered:
    """Write what can be saved of `source`, which is left as it is, to `target`; another recording
    there is refused unless it is to `replace` one."""
    if os.path.exists(target) and os.path.exists(source) and target.samefile(source):
        raise UsageError(
            f"{target} is the recording to be recovered, and that is not changed",
            remedy="Choose another name with -o.",
        )
    log = LogReader(source, rescue=True)
    try:
        return _Rescue(log).save(target, replace=replace)
    finally:
        log.close()


class _Rescue:
    """One recovery. States: made, then saved."""

    def __init__(self, log: LogReader) -> None:
        self._log = log
        self._lost: list[str] = []
        self._events = 0

    def save(self, target: Path, *, replace: bool) -> Recovered:
        log = self._log
        end = self._find_end(self._available())
        if log.flaw is not None:
            self._lost.append(f"its ending: {log.flaw.message}")
        if end is None or (end.at == START and self._lost):
            raise BadRecording(
                f"nothing of {log.path} can be recovered: {'; '.join(self._lost) or 'it is empty'}",
                remedy="Copy it again from where it was recorded, or record again.",
            )
        whole = None if self._lost else log.ending
        write_recording(
            target,
            log.manifest,
            self._images(),
            merge_chunks(self._chunks(end)),
            merge_texts(self._texts(end.outputs)),
            partial(_ending, end, whole),
            replace=replace,
        )
        return Recovered(
            recording=str(target),
            instructions=end.at,
            events=self._events,
            output_bytes=sum(end.outputs.values()),
            complete=whole is not None and not whole.cut,
            lost=tuple(self._lost),
        )

    def _available(self) -> dict[str, int]:
        """How many bytes of output can be read, of each port."""
        lengths: dict[str, int] = {}
        try:
            for row in self._log.texts():
                if row.start != lengths.get(row.port, 0):
                    raise damaged(self._log.path, f"there is a gap in the output of {row.port}")
                lengths[row.port] = row.start + len(decompress(row.data))
        except BadRecording as error:
            self._lost.append(f"output: {error.message}")
        return lengths

    def _find_end(self, available: Mapping[str, int]) -> _Place | None:
        end = proven = None
        try:
            for place in self._places():
                if any(available.get(port, 0) < n for port, n in place.outputs.items()):
                    if not self._lost:
                        self._lost.append("output: its end is missing")
                    break
                end = place
                proven = place if place.events else proven
        except AlteredLog as error:  # whatever came after the last checkpoint that fits
            self._lost.append(f"events: {error.message}")
            return proven
        except BadRecording as error:
            self._lost.append(f"events: {error.message}")
        return end

    def _places(self) -> Iterator[_Place]:
        """Where one may cut, in order."""
        outputs: dict[str, int] = {}
        for number, (row, chunk) in enumerate(self._log.chunks()):
            for count, (at, event) in enumerate(chunk.logged, 1):
                if isinstance(event, Checkpoint):
                    outputs = outputs | event.outputs
                    yield _Place(at, number, count, outputs)
            if chunk.outputs is not None:
                outputs = outputs | chunk.outputs
                yield _Place(Icount(row.upto), number + 1, 0, outputs)

    def _chunks(self, end: _Place) -> Iterator[tuple[ChunkRow, Chunk]]:
        """The chunks up to there, the last one perhaps in part."""
        wanted = end.chunks + (1 if end.events else 0)
        for number, (row, chunk) in enumerate(islice(self._log.chunks(), wanted)):
            if number < end.chunks:
                self._events += len(chunk.logged)
                yield row, chunk
            else:
                self._events += end.events
                part = Chunk(chunk.logged[: end.events], end.outputs)
                yield msgspec.structs.replace(row, upto=end.at), part

    def _texts(self, outputs: Mapping[str, int]) -> Iterator[TextRow]:
        """The output up to there."""
        missing = sum(outputs.values())
        rows = self._log.texts()
        while missing:
            row = next(rows)
            text = decompress(row.data)[: max(0, outputs.get(row.port, 0) - row.start)]
            if text:
                missing -= len(text)
                yield msgspec.structs.replace(row, data=compress(text))

    def _images(self) -> Iterator[tuple[str, bytes]]:
        """The embedded images that are what they should be."""
        names = {image.sha256: image.name for image in self._log.manifest.images}
        try:
            embedded = sorted(self._log.embedded() & set(names))
        except BadRecording as error:
            self._lost.append(f"images: {error.message}")
            return
        for sha256 in embedded:
            try:
                data = self._log.image(sha256)
            except BadRecording:
                data = None
            if data is not None and hashlib.sha256(data).hexdigest() == sha256:
                yield sha256, data
            else:
                self._lost.append(f"the embedded {names[sha256]}: replay will look for its file")


def _ending(end: _Place, whole: Ending | None, chunks: int) -> Ending:
    if whole is not None:
        return msgspec.structs.replace(whole, chunks=chunks)
    return Ending(end.at, None, CUT, chunks, end.outputs, cut=True)
