"""The log of a recording: what is written while the machine runs, and read back in order."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from lockstep.det.fifo import LockCounts
from lockstep.det.instant import FOREVER, START, Icount
from lockstep.errors import BadRecording, HostFailure, UsageError
from lockstep.replay.bounds import MAX_EVENTS, MAX_IMAGE, MAX_IMAGE_BYTES
from lockstep.replay.chain import Chain
from lockstep.replay.codec import (
    Chunk,
    checksum,
    compress,
    decode_chunk,
    decompress,
    encode_chunk,
)
from lockstep.replay.crowd import Crowd
from lockstep.replay.faults import damaged, newer_format
from lockstep.replay.file import ChunkRow, Range, RecordingFile, Text, TextRow
from lockstep.replay.format import (
    REVISION,
    VERSION,
    AnyEvent,
    Checkpoint,
    Ending,
    Logged,
    Manifest,
)
from lockstep.replay.merge import MERGED_BYTES, merge_chunks, merge_texts
from lockstep.replay.regular import not_begun

_FLUSH_NS: Final = 300_000_000
"""Commit no oftener, in host time. `tick` is called so often that `kill -9` loses less than a
second."""
_EVENT_BYTES: Final = 32
_RESERVE: Final = 64 << 10
"""Of a bounded recording: for what happens until the machine has stopped, and for its ending."""
LEAST_LIMIT: Final = 4 * _RESERVE


class Output:
    """What leaves through a port: its bytes since the last commit, the first of which is number
    `start`. Those of the instruction at `latest` begin at `mark`."""

    __slots__ = ("_weigh", "content", "latest", "mark", "start")

    def __init__(self, weigh: Callable[[int], None]) -> None:
        self._weigh = weigh
        self.content = bytearray()
        self.start = self.mark = 0
        self.latest = START

    def emit(self, data: bytes, at: Icount = START) -> None:
        """Keep it, so that replay can check every byte. A console comes byte by byte."""
        if at != self.latest:
            self.latest = at
            self.mark = len(self.content)
        self.content += data
        self._weigh(len(data))

    def committed(self) -> None:
        """Begin anew after it."""
        self.start += len(self.content)
        self.content.clear()
        self.mark = 0

    def cut(self, now: Icount) -> None:
        """Drop what the instruction at `now` has sent."""
        if self.latest >= now:
            del self.content[self.mark :]


class LogWriter:
    """Writes a recording. States: open; then finished (complete), or closed (incomplete, readable).

    An old recording at `path` is replaced by the first `flush`, or refused unless `replace`.

    Not thread-safe by itself: whoever appends or flushes holds the replay mutex.
    """

    def __init__(
        self,
        path: Path,
        manifest: Manifest,
        embedded: Mapping[str, bytes] | None = None,
        *,
        limit: int | None = None,
        replace: bool = True,
    ) -> None:
        if limit is not None and limit < LEAST_LIMIT:
            raise UsageError(
                f"a recording of at most {limit:,} bytes is too small",
                remedy=f"Allow at least {LEAST_LIMIT:,} bytes.",
            )
        self.manifest = manifest
        self._limit = limit
        self._pending: list[Logged] = []
        self._chain = Chain()
        self._outputs: dict[str, Output] = {}
        self._upto = START
        self._last: ChunkRow | None = None
        self._count = 0
        self._weight = 0
        self._heavy = MERGED_BYTES
        self._call: Callable[[], None] = lambda: None
        self._due_ns: int | None = None
        self._full = False
        self._file = RecordingFile.create(path, replace=replace)
        try:
            self._open_with(embedded or {})
        except BaseException:
            self.close()
            raise

    @property
    def upto(self) -> Icount:
        """The instant that is committed."""
        return self._upto

    @property
    def begun(self) -> bool:
        """Whether anything is committed."""
        return self._last is not None

    def when_heavy(self, call: Callable[[], None]) -> None:
        """Have somebody called as soon as there is so much to commit that `tick` is needed."""
        self._call = call

    def append(self, at: Icount, event: AnyEvent) -> None:
        """Log an event. Time only goes forward."""
        last = self._pending[-1].at if self._pending else self._upto
        assert at >= last, f"time only goes forward: {at} after {last}"
        if isinstance(event, Checkpoint):
            event = replace(event, chain=self._chain.value)
        self._pending.append(Logged(at, event))
        self._chain.add(self._pending[-1])
        self._weigh(_EVENT_BYTES + len(getattr(event, "data", b"")))

    def output(self, port: str) -> Output:
        """Where to put what leaves through `port`."""
        if port not in self._outputs:
            self._outputs[port] = Output(self._weigh)
        return self._outputs[port]

    def outputs(self) -> dict[str, int]:
        """How many bytes have left through each port."""
        sent = {port: each.start + len(each.content) for port, each in self._outputs.items()}
        return {port: count for port, count in sent.items() if count}

    def tick(self, now: Icount, host_ns: int) -> bool:
        """Commit if it is time to. Call it often; `host_ns` is any monotonic clock.

        True, once, when the limit is near: end the machine then, and finish.
        """
        if self._due_ns is None:
            self._due_ns = host_ns + _FLUSH_NS
        elif self._weight >= self._heavy or host_ns >= self._due_ns:
            self._due_ns = host_ns + _FLUSH_NS
            self.flush(now)
            return self._check_limit()
        return False

    def flush(self, now: Icount) -> None:
        """Commit everything up to `now`: replay will be able to get that far."""
        spoken = any(each.content for each in self._outputs.values())
        if not self._pending and not spoken and self._last is not None:
            if now > self._upto:
                self._extend(now)
            return
        ranges, texts = list(self._ranges(now)), list(self._pieces())
        self._file.put(ranges, texts)
        self._count += len(ranges)
        first, upto, data = ranges[-1]
        self._last = ChunkRow(first, upto, checksum(data, first, upto), data)
        for each in self._outputs.values():
            each.committed()
        self._pending.clear()
        self._upto = now
        self._weight = 0

    def cut(self, now: Icount) -> None:
        """Commit what came before the instruction at `now`, which was not finished, and close.

        If nothing was committed before, there is nothing to keep.
        """
        while self._pending and self._pending[-1].at >= now:
            self._pending.pop()
        for each in self._outputs.values():
            each.cut(now)
        try:
            if self._last is not None:
                self.flush(now)
                self._file.sync()
        finally:
            self.close()

    def finish(
        self,
        now: Icount,
        duration_s: float,
        reason: str,
        locks: tuple[LockCounts, ...] = (),
        stats: Mapping[str, int | float] | None = None,
        guest_code: int | None = None,
    ) -> None:
        """Commit the rest, mark the recording complete and make it one plain file."""
        self.flush(now)
        ending = partial(
            Ending,
            now,
            duration_s,
            reason,
            outputs=self.outputs(),
            chain=self._chain.value,
            locks=locks,
            stats=dict(stats or {}),
            guest_code=guest_code,
        )
        merged = self._merge(ending)
        if not merged:
            self._file.put((), (), about={"ending": ending(chunks=self._count)})
        self._file.finish(tidy=merged)
        self._file.close()

    def close(self) -> None:
        """Stop without completing, as a crash would: good up to the last commit."""
        self._file.close()

    def _open_with(self, embedded: Mapping[str, bytes]) -> None:
        self._file.put_about(manifest=self.manifest)
        for sha256, data in embedded.items():
            self._file.put_image(sha256, data)
        if self._check_limit():
            raise UsageError(
                f"a recording of at most {self._limit:,} bytes has no room for its images",
                remedy="Allow more, or leave the images outside.",
            )

    def _ranges(self, now: Icount) -> Iterator[Range]:
        first, rest = self._upto, self._pending
        while len(rest) > MAX_EVENTS:
            some, rest = rest[:MAX_EVENTS], rest[MAX_EVENTS:]
            yield first, some[-1].at, encode_chunk(first, some)
            first = some[-1].at
        yield first, now, encode_chunk(first, rest, self.outputs())

    def _pieces(self) -> Iterator[Text]:
        for port, output in self._outputs.items():
            content = bytes(output.content)
            for at in range(0, len(content), MERGED_BYTES):
                yield port, output.start + at, compress(content[at : at + MERGED_BYTES])

    def _extend(self, now: Icount) -> None:
        assert self._last is not None, "there is a chunk"
        self._file.extend(self._last, now)
        self._upto = now

    def _merge(self, ending: Callable[..., Ending]) -> bool:
        """End with fewer, bigger rows. False if there is no room to write them."""
        if self._limit is not None:
            self._file.settle()
            if 3 * self._file.taken() + _RESERVE > self._limit:
                return False
        chunks = list(merge_chunks(read_chunks(self._file)))
        texts = list(merge_texts(self._file.texts()))
        try:
            self._file.put(chunks, texts, about={"ending": ending(chunks=len(chunks))}, anew=True)
        except HostFailure:
            return False
        return True

    def _weigh(self, more: int) -> None:
        before = self._weight
        self._weight += more
        if before < self._heavy <= self._weight:
            self._call()

    def _check_limit(self) -> bool:
        if self._limit is None or self._full:
            return False
        room = self._limit - _RESERVE - self._file.taken()
        if room <= 0:
            self._file.settle()
            room = self._limit - _RESERVE - self._file.taken()
        self._full = room <= 0
        # What is committed is there three times while it moves from the -wal file to its place.
        self._heavy = min(MERGED_BYTES, max(room // 4, 64 * _EVENT_BYTES))
        return self._full


class LogReader:
    """Reads a recording, of any state, as it was when opened. States: open, then closed.

    `rescue`: of a damaged one, as much as can be read.
    """

    def __init__(self, path: Path, *, rescue: bool = False) -> None:
        self.path = path
        self.flaw: BadRecording | None = None
        """Why the ending cannot be read, if there is one."""
        self._file = RecordingFile.rescue(path) if rescue else RecordingFile.open(path)
        try:
            self.manifest = self._read_manifest()
            self.ending = self._read_ending(rescue=rescue)
            if self.ending is None and next(self._file.chunks(), None) is None:
                raise not_begun(path)
        except BaseException:
            self._file.close()
            raise

    @property
    def complete(self) -> bool:
        """Whether the recording was ended properly."""
        return self.ending is not None

    @property
    def ended(self) -> bool:
        """Whether the machine ended with it. Otherwise it ran on, and nobody knows how."""
        return self.ending is not None and not self.ending.cut

    def end(self) -> Icount:
        """The last instant that can be replayed to."""
        if self.ending is not None:
            return Icount(self.ending.instructions)
        end = START
        for row in self._file.chunks():
            end = Icount(row.upto)
        return end

    def chunks(self) -> Iterator[tuple[ChunkRow, Chunk]]:
        """The events of each chunk, in order, with the row that holds it."""
        count, upto, chain = 0, START, Chain()
        known = self.manifest.revision <= REVISION
        for row, chunk in read_chunks(self._file):
            count, upto = count + 1, Icount(row.upto)
            if known and (fitting := chain.follow(chunk.logged)) < len(chunk.logged):
                wrong = chunk.logged[fitting].at
                yield row, chunk._replace(logged=chunk.logged[:fitting], outputs=None)
                raise chain.altered(wrong)
            yield row, chunk
        if self.ending is not None and (count, upto) != (
            self.ending.chunks,
            self.ending.instructions,
        ):
            raise damaged(self.path, "events are missing at its end")
        if known and self.ending is not None and self.ending.chain not in (None, chain.value):
            raise chain.altered(upto)

    def events(self, first: Icount = START, last: Icount = FOREVER) -> Iterator[Logged]:
        """Every event from `first` to `last`, both included, in order."""
        for _, chunk in self.chunks():
            yield from (each for each in chunk.logged if first <= each.at <= last)

    def texts(self) -> Iterator[TextRow]:
        """Every piece of output, in order."""
        yield from self._file.texts()

    def embedded(self) -> set[str]:
        """The hashes of the images that are in the file."""
        return self._file.embedded()

    def ports(self) -> list[str]:
        """The ports that something left through."""
        if self.ending is not None:
            return sorted(self.ending.outputs)
        return sorted({row.port for row in self._file.texts()})

    def transcript(self, port: str) -> Iterator[bytes]:
        """What left through `port`, in pieces, in order."""
        position = 0
        for row in self._file.texts(port):
            if row.start != position:
                raise damaged(self.path, f"there is a gap in the output of {port}")
            text = decompress(row.data)
            position += len(text)
            yield text
        if self.ending is not None and position != self.ending.outputs.get(port, 0):
            raise damaged(self.path, f"there is a gap in the output of {port}")

    def image(self, sha256: str) -> bytes | None:
        """The contents of an image, if it is embedded."""
        sizes = {each.sha256: each.size for each in self.manifest.images}
        return self._file.image(sha256, min(sizes.get(sha256, MAX_IMAGE), MAX_IMAGE))

    def check_structure(self) -> None:
        """Have every page of the file looked at."""
        self._file.check_structure()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _read_manifest(self) -> Manifest:
        manifest: Manifest | None = self._file.about("manifest", Manifest)
        if manifest is None:
            raise not_begun(self.path)
        if manifest.format > VERSION:
            raise newer_format(self.path, manifest.format)
        if sum(each.size for each in manifest.images) > MAX_IMAGE_BYTES:
            raise damaged(self.path, "its images are too big for any machine")
        return manifest

    def _read_ending(self, *, rescue: bool) -> Ending | None:
        try:
            ending: Ending | None = self._file.about("ending", Ending)
        except BadRecording as error:
            if not rescue:
                raise
            self.flaw = error
            return None
        return ending


def read_chunks(file: RecordingFile) -> Iterator[tuple[ChunkRow, Chunk]]:
    """The chunks of a file, decoded, with their rows."""
    crowd = Crowd()
    for row in file.chunks():
        chunk = decode_chunk(Icount(row.first), row.data)
        if chunk.logged and chunk.logged[-1].at > row.upto:
            raise damaged(file.path, "an event is outside of its chunk")
        for each in chunk.logged:
            crowd.add(each)
        yield row, chunk
