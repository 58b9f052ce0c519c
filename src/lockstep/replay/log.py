"""The log of a recording: what is written while the machine runs, and read back in order."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from lockstep.det.fifo import LockCounts
from lockstep.det.instant import FOREVER, START, Icount
from lockstep.errors import BadRecording
from lockstep.replay.codec import compress, decode_chunk, decompress, encode_chunk
from lockstep.replay.file import Range, RecordingFile, Text, damaged
from lockstep.replay.format import AnyEvent, Ending, Logged, Manifest

_FLUSH_NS: Final = 700_000_000
"""Commit so often, in host time: `kill -9` loses less than a second."""
_FLUSH_EVENTS: Final = 20_000
_FLUSH_BYTES: Final = 1 << 20


class LogWriter:
    """Writes a recording. States: open; then finished (complete), or closed (incomplete, readable).

    Not thread-safe by itself: whoever appends or flushes holds the replay mutex.
    """

    def __init__(
        self, path: Path, manifest: Manifest, embedded: Mapping[str, bytes] | None = None
    ) -> None:
        self.manifest = manifest
        self._file = RecordingFile.create(path)
        self._file.put_about(manifest=manifest)
        for sha256, data in (embedded or {}).items():
            self._file.put_image(sha256, data)
        self._pending: list[Logged] = []
        self._texts: dict[str, bytearray] = {}
        self._starts: dict[str, int] = {}
        self._upto = START
        self._weight = 0
        self._due_ns: int | None = None

    def append(self, at: Icount, event: AnyEvent) -> None:
        """Log an event. Time only goes forward."""
        last = self._pending[-1].at if self._pending else self._upto
        assert at >= last, f"time only goes forward: {at} after {last}"
        self._pending.append(Logged(at, event))
        self._weight += len(getattr(event, "data", b""))

    def emit(self, port: str, data: bytes) -> None:
        """Keep output, so that replay can check every byte of it."""
        self._texts.setdefault(port, bytearray()).extend(data)
        self._weight += len(data)

    def outputs(self) -> dict[str, int]:
        """How many bytes have left through each port."""
        return {port: self._starts.get(port, 0) + len(text) for port, text in self._texts.items()}

    def tick(self, now: Icount, host_ns: int) -> None:
        """Commit if it is time to. Call it often; `host_ns` is any monotonic clock."""
        heavy = len(self._pending) >= _FLUSH_EVENTS or self._weight >= _FLUSH_BYTES
        if self._due_ns is None:
            self._due_ns = host_ns + _FLUSH_NS
        elif heavy or host_ns >= self._due_ns:
            self._due_ns = host_ns + _FLUSH_NS
            self.flush(now)

    def flush(self, now: Icount) -> None:
        """Commit everything up to `now`: replay will be able to get that far."""
        texts = [(port, text) for port, text in self._texts.items() if text]
        if not self._pending and not texts:
            return
        chunk = (self._upto, now, encode_chunk(self._upto, self._pending))
        self._file.put(
            [chunk],
            [(port, self._starts.get(port, 0), compress(bytes(text))) for port, text in texts],
        )
        for port, text in texts:
            self._starts[port] = self._starts.get(port, 0) + len(text)
            text.clear()
        self._pending.clear()
        self._upto = now
        self._weight = 0

    def finish(
        self, now: Icount, duration_s: float, reason: str, locks: tuple[LockCounts, ...] = ()
    ) -> None:
        """Commit the rest, mark the recording complete and make it one plain file."""
        self.flush(now)
        chunks, texts = list(_merge_chunks(self._file)), list(_merge_texts(self._file))
        self._file.put(chunks, texts, anew=True)
        ending = Ending(now, duration_s, reason, len(chunks), self.outputs(), locks)
        self._file.put_about(ending=ending)
        self._file.finish()
        self._file.close()

    def close(self) -> None:
        """Stop without completing, as a crash would: good up to the last commit."""
        self._file.close()


class LogReader:
    """Reads a recording, of any state. States: open, then closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = RecordingFile.open(path)
        manifest = self._file.about("manifest", Manifest)
        if manifest is None:
            raise BadRecording(
                f"{path} has no manifest: its recording was killed as it began",
                remedy="Record again.",
            )
        self.manifest: Manifest = manifest
        self.ending: Ending | None = self._file.about("ending", Ending)

    @property
    def complete(self) -> bool:
        """Whether the recording was ended properly."""
        return self.ending is not None

    def end(self) -> Icount:
        """The last instant that can be replayed to."""
        if self.ending is not None:
            return Icount(self.ending.instructions)
        end = START
        for row in self._file.chunks():
            end = Icount(row.upto)
        return end

    def chunks(self) -> Iterator[tuple[int, list[Logged]]]:
        """The events of each chunk, in order, with the bytes that it takes in the file."""
        count = 0
        for row in self._file.chunks():
            logged = decode_chunk(Icount(row.first), row.data)
            if logged and logged[-1].at > row.upto:
                raise damaged(self.path, "an event is outside of its chunk")
            count += 1
            yield len(row.data), logged
        if self.ending is not None and count != self.ending.chunks:
            raise damaged(self.path, "events are missing at its end")

    def events(self, first: Icount = START, last: Icount = FOREVER) -> Iterator[Logged]:
        """Every event from `first` to `last`, both included, in order."""
        for _, logged in self.chunks():
            yield from (each for each in logged if first <= each.at <= last)

    def texts(self) -> Iterator[tuple[int, str, int]]:
        """Every piece of output: the bytes that it takes in the file, its port and its length."""
        for row in self._file.texts():
            yield len(row.data), row.port, len(decompress(row.data))

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
        return self._file.image(sha256)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _merge_chunks(file: RecordingFile) -> Iterator[Range]:
    """The chunks of many commits as a few big ones, which compress better."""
    first = upto = START
    logged: list[Logged] = []
    for row in file.chunks():
        logged += decode_chunk(Icount(row.first), row.data)
        upto = Icount(row.upto)
        if len(logged) >= _FLUSH_EVENTS:
            yield first, upto, encode_chunk(first, logged)
            first, logged = upto, []
    if logged or upto > first:
        yield first, upto, encode_chunk(first, logged)


def _merge_texts(file: RecordingFile) -> Iterator[Text]:
    """The output of many commits in a few big pieces."""
    pieces: dict[str, bytearray] = {}
    starts: dict[str, int] = {}
    for row in file.texts():
        piece = pieces.setdefault(row.port, bytearray())
        piece += decompress(row.data)
        if len(piece) >= _FLUSH_BYTES:
            yield row.port, starts.get(row.port, 0), compress(bytes(piece))
            starts[row.port] = starts.get(row.port, 0) + len(piece)
            piece.clear()
    for port, piece in pieces.items():
        if piece:
            yield port, starts.get(port, 0), compress(bytes(piece))
