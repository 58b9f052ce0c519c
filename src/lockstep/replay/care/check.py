"""Whether a recording is whole, as far as can be told without running it."""

from collections.abc import Iterator, Mapping

import msgspec

from lockstep.det.instant import START
from lockstep.replay.codec import Chunk
from lockstep.replay.faults import damaged
from lockstep.replay.file import ChunkRow
from lockstep.replay.format import LOCATOR_BYTES, ArrivalEvent, Checkpoint, Logged
from lockstep.replay.log import LogReader
from lockstep.replay.periodic import PERIODIC, Periodic

_DIGEST_BYTES = 16


class Checked(msgspec.Struct, frozen=True):
    """What was looked at, and found to be good."""

    instructions: int
    events: int
    digests: int
    output_bytes: int


def check(log: LogReader) -> Checked:
    """Look at every page, every checksum and every event. Raises BadRecording at the first flaw."""
    log.check_structure()
    scan = _Scan(log)
    for row, chunk in log.chunks():
        for logged in chunk.logged:
            scan.look_at(logged)
        scan.close(row, chunk)
    scan.check_outputs({port: sum(map(len, log.transcript(port))) for port in log.ports()})
    scan.check_end()
    return Checked(log.end(), scan.events, scan.digests, sum(scan.outputs.values()))


class _Scan:
    """What has been seen so far, and must go on like that."""

    def __init__(self, log: LogReader) -> None:
        self._log = log
        self._periodic = Periodic(log.manifest.digest_every)
        self._last: Logged | None = None
        self.events = 0
        self.digests = 0
        self.outputs: dict[str, int] = {}

    def look_at(self, logged: Logged) -> None:
        """An event, in its place."""
        self.events += 1
        self._last = logged
        if isinstance(logged.event, ArrivalEvent):
            self._periodic.arrived(logged.at)
        if isinstance(logged.event, Checkpoint):
            for flaw in self._flaws(logged, logged.event):
                raise damaged(
                    self._log.path, f"{flaw}, in the checkpoint at instruction {logged.at:_}"
                )
            self.digests += 1

    def close(self, row: ChunkRow, chunk: Chunk) -> None:
        """The end of a chunk."""
        if chunk.outputs is not None:
            if self._shrunk(chunk.outputs):
                raise damaged(self._log.path, f"output vanished before instruction {row.upto:_}")
            self.outputs |= chunk.outputs

    def check_outputs(self, lengths: Mapping[str, int]) -> None:
        """At the end: the transcript must be as long as the log says."""
        for port, count in self.outputs.items():
            if lengths.get(port, 0) < count:
                raise damaged(self._log.path, f"output of {port} is missing")
        self.outputs |= lengths

    def check_end(self) -> None:
        """A machine that ended says so in its last checkpoint."""
        if not self._log.ended:
            return
        last = self._last
        if (
            last is None
            or last.at != self._log.end()
            or not isinstance(last.event, Checkpoint)
            or last.event.reason != "shutdown"
        ):
            raise damaged(self._log.path, "its end is missing")

    def _flaws(self, logged: Logged, event: Checkpoint) -> Iterator[str]:
        if len(event.total) != _DIGEST_BYTES:
            yield "a digest has the wrong size"
        if any(len(part) != LOCATOR_BYTES for part in event.parts.values()):
            yield "the digest of a part has the wrong size"
        if (self.digests == 0) != (event.reason == "machine-init"):
            yield f"it is not the time for {event.reason}"
        if event.reason == "machine-init" and logged.at != START:
            yield "the machine begins late"
        if event.reason == PERIODIC:
            if not self._periodic.every or logged.at < self._periodic.due:
                yield "it comes too early"
            elif logged.at > self._periodic.due:
                yield "there is none where it was due"
            self._periodic.taken(logged.at, event.distance)
        if self._shrunk(event.outputs):
            yield "output vanished"
        self.outputs |= event.outputs

    def _shrunk(self, outputs: Mapping[str, int]) -> bool:
        return any(count < self.outputs.get(port, 0) for port, count in outputs.items())
