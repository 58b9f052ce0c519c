"""The recorder: a world that passes everything on from another, and writes down what came in.

Knows bytes and instants; never instructions.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from lockstep.det.instant import Icount
from lockstep.det.locks import ReplayMutex
from lockstep.det.state import Digests
from lockstep.det.world import Arrival, Outlet, World
from lockstep.replay.format import LOCATOR_BYTES, Checkpoint, answer_event, arrival_event
from lockstep.replay.log import LogWriter, Output
from lockstep.replay.periodic import PERIODIC, Periodic, Stretching

V = TypeVar("V")

UNDIGESTED: Final = frozenset({"warp"})
"""Checkpoints too frequent to digest at. The arrival that comes with each is its record."""


class Recorder:
    """A `World`. Whoever calls it holds the replay mutex: an entry and its effect are one step."""

    def __init__(
        self, live: World, log: LogWriter, now: Callable[[], Icount], mutex: ReplayMutex
    ) -> None:
        self._live = live
        self._log = log
        self._now = now
        self._mutex = mutex
        self._periodic = Periodic(log.manifest.digest_every)
        self._stretching = Stretching(log.manifest.digest_every)
        self._outlets: dict[str, _RecordingOutlet] = {}
        self._parts: dict[str, bytes] = {}
        self._outputs: dict[str, int] = {}

    def outlet(self, port: str) -> Outlet:
        """The live outlet, overheard."""
        if port not in self._outlets:
            live, output = self._live.outlet(port), self._log.output(port)
            self._outlets[port] = _RecordingOutlet(self, port, live, output)
        return self._outlets[port]

    def horizon(self, now: Icount) -> Icount:
        """As the live world says, but no further than the next digest."""
        live = self._live.horizon(now)
        return min(live, self._periodic.due) if self._periodic.every else live

    def arrivals(self, now: Icount) -> Sequence[Arrival]:
        """What the live world brings, written down before it takes effect."""
        arrived = self._live.arrivals(now)
        if arrived:
            self._mutex.require_held("logging an arrival")
            for each in arrived:
                self._log.append(now, arrival_event(each))
            self._periodic.arrived(now)
            self._stretching.arrived()
        return arrived

    def checkpoint(self, kind: str, now: Icount, digests: Callable[[], Digests]) -> None:
        """Write down the digests, if this checkpoint is one to have them."""
        self._live.checkpoint(kind, now, digests)
        if kind in UNDIGESTED:
            return
        if kind == PERIODIC and not self._periodic.is_due(now):
            return
        self._mutex.require_held(f"logging a checkpoint ({kind})")
        taken = digests()
        distance = None
        if kind == PERIODIC:
            spoke = self._log.outputs() != self._outputs
            distance = self._stretching.distance(b"" if spoke else taken.quiet)
            self._periodic.taken(now, distance)
        self._log.append(now, self._describe(kind, taken, distance))

    def answered(self, port: str, question: str, data: bytes) -> None:
        """Write down an answer."""
        self._mutex.require_held("logging an answer")
        self._log.append(self._now(), answer_event(port, question, data))

    def emitting(self) -> Icount:
        """The instant at which output leaves, if now is the time for it."""
        self._mutex.require_held("logging output")
        return self._now()

    def _describe(self, kind: str, digests: Digests, distance: int | None) -> Checkpoint:
        parts = {name: value[:LOCATOR_BYTES] for name, value in digests.parts()}
        outputs = self._log.outputs()
        moved = _changes(self._parts, parts)
        changed = Checkpoint(
            kind,
            digests.total(),
            moved,
            _changes(self._outputs, outputs),
            {name: part.syndrome() for name in moved if (part := digests.inside(name))},
            distance=distance,
        )
        self._parts = parts
        self._outputs = outputs
        return changed


class _RecordingOutlet:
    def __init__(self, recorder: Recorder, port: str, live: Outlet, output: Output) -> None:
        self._recorder = recorder
        self._output = output
        self._port = port
        self._live = live

    def ask(self, question: str, size: int) -> bytes:
        data = self._live.ask(question, size)
        self._recorder.answered(self._port, question, data)
        return data

    def emit(self, data: bytes) -> None:
        self._output.emit(data, self._recorder.emitting())
        self._live.emit(data)


def _changes(before: dict[str, V], after: dict[str, V]) -> dict[str, V]:
    return {name: value for name, value in after.items() if before.get(name) != value}
