"""The replayer: a world made of a log alone. It gives back what came in and checks what goes out.

Knows bytes and instants; never instructions. Every period ends at the next event's instant, so
whatever the machine leaves out or adds is seen at the first instant at which it can be.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import Final, NoReturn

from lockstep.det.instant import START, Icount
from lockstep.det.leaves import Difference
from lockstep.det.locks import ReplayMutex
from lockstep.det.state import Digests
from lockstep.det.world import Arrival, Outlet
from lockstep.errors import BadRecording, LockstepError
from lockstep.replay.chain import AlteredLog
from lockstep.replay.divergence import Kind, Nearby, ReplayDivergence, Report
from lockstep.replay.format import (
    LOCATOR_BYTES,
    AnswerEvent,
    ArrivalEvent,
    Checkpoint,
    Event,
    Logged,
)
from lockstep.replay.log import LogReader
from lockstep.replay.periodic import PERIODIC, Periodic
from lockstep.replay.recorder import UNDIGESTED
from lockstep.replay.words import readable

_AROUND: Final = 3
_FAR: Final = 20_000
"""Events to look ahead for what a checkpoint says of the log."""

Mirror = Callable[[str, bytes], None]


class Replayer:
    """A `World`. States: replaying; then failed (every call raises it again), or finished.

    `mirror` is shown all output once it has been checked.
    """

    def __init__(
        self,
        log: LogReader,
        now: Callable[[], Icount],
        mutex: ReplayMutex,
        mirror: Mirror = lambda port, data: None,
    ) -> None:
        self.end = log.end()
        self.ended = log.ended
        self._log = log
        self._now = now
        self._mutex = mutex
        self._mirror = mirror
        self._events = log.events()
        self._ahead: deque[Logged] = deque()
        self._behind: deque[Logged] = deque(maxlen=_AROUND)
        self._outlets = {port: _ReplayedOutlet(self, port) for port in log.ports()}
        self._parts: dict[str, bytes] = {}
        self._syndromes: dict[str, bytes] = {}
        self._expected_outputs: dict[str, int] = {}
        self._agreed: Icount | None = None
        self._periodic = Periodic(log.manifest.digest_every)
        self._last = START
        self._ended = False
        self._consumed = 0
        self._failed: LockstepError | None = None

    def outlet(self, port: str) -> Outlet:
        """An outlet that answers from the log."""
        if port not in self._outlets:
            self._outlets[port] = _ReplayedOutlet(self, port)
        return self._outlets[port]

    def horizon(self, now: Icount) -> Icount:
        """The next event's instant; past an answer by one instruction, which should have asked.

        At the end of the log it is `now`, but only once: look at `finished` before every period.
        """
        upcoming = self._upcoming(now)
        if upcoming is None and now >= self.end:
            self.check_finished()
            if self._ended:  # never a hang
                self._diverge("end", "goes on")
            self._ended = True
            return now
        if upcoming is None:
            return self.end
        if isinstance(upcoming.event, AnswerEvent):
            return Icount(min(upcoming.at + 1, max(self.end, upcoming.at)))
        if upcoming.at == now and _leads_out(upcoming.event):
            self._diverge("event", "goes on")
        return upcoming.at

    def arrivals(self, now: Icount) -> Sequence[Arrival]:
        """What arrived at this instant."""
        arrived = []
        while (upcoming := self._upcoming(now)) is not None and upcoming.at == now:
            if not isinstance(upcoming.event, ArrivalEvent):
                break
            self._mutex.require_held("replaying an arrival")
            arrived.append(upcoming.event.arrival())
            self._consume()
            self._periodic.arrived(now)
        return arrived

    def checkpoint(self, kind: str, now: Icount, digests: Callable[[], Digests]) -> None:
        """Compare the machine with the digests in the log, if it has any for this checkpoint."""
        upcoming = self._upcoming(now)
        if self._periodic.every > 0 and now > self._periodic.due:
            raise self._altered_before(now)  # a periodic checkpoint is missing
        if upcoming is not None and upcoming.at == now:
            event = upcoming.event
            if isinstance(event, Checkpoint) and event.reason == kind:
                self._mutex.require_held(f"checking a checkpoint ({kind})")
                self._compare(now, event, digests())
                self._consume()
                if kind == PERIODIC:
                    self._periodic.taken(now, event.distance)
                return
        if kind not in UNDIGESTED and kind != PERIODIC and (upcoming is not None or self.ended):
            self._diverge("event", f"reached a checkpoint ({kind})")

    def finished(self) -> bool:
        """Whether the whole log was consumed, to its last event and its last byte of output."""
        return self._failed is None and self._rest() is None and self._last >= self.end

    def check_finished(self) -> None:
        """Raise the divergence of a machine that stopped before the log does."""
        self._raise_again()
        rest = self._rest()
        if rest is not None:
            self._diverge("end", "stopped", expected=rest)
        if self._last < self.end:
            self._diverge("end", "stopped", expected=f"it ran on to instruction {self.end:_}")

    @property
    def progress(self) -> int:
        """A number that grows with every event and every byte of output. From any thread."""
        return self._consumed + sum(each.position for each in list(self._outlets.values()))

    def stalled(self, offers: str) -> NoReturn:
        """The divergence of a machine that will not get to the next event, and what it does."""
        self._raise_again()
        waits_for = self._rest() or f"the end, at instruction {self.end:_}"
        self._diverge("stall", offers, expected=f"waiting for: {waits_for}")

    def answer(self, port: str, question: str, size: int) -> bytes:
        """The logged answer to a question, which must be the one that was asked."""
        self._mutex.require_held("replaying an answer")
        now = self._now()
        upcoming = self._upcoming(now)
        if upcoming is not None and upcoming.at == now:
            event = upcoming.event
            if isinstance(event, AnswerEvent) and (event.port, event.question) == (port, question):
                data = event.answer
                if len(data) == size:
                    self._consume()
                    return data
        self._diverge("event", f"{port} asked {question!r} ({size} bytes)")

    def check_output(self, port: str, position: int, expected: bytes, data: bytes) -> None:
        """Compare output with the transcript."""
        self._mutex.require_held("checking output")
        self._raise_again()
        if expected == data:
            self._mirror(port, data)
            return
        same = next(
            (at for at, (a, b) in enumerate(zip(expected, data, strict=False)) if a != b),
            len(expected),
        )
        said = repr(expected[same : same + 32]) if same < len(expected) else "nothing more"
        self._diverge(
            "output",
            f"{port} sent {data[same : same + 32]!r}",
            expected=f"byte {position + same} of the output of {port} is {said}",
        )

    def _compare(self, now: Icount, event: Checkpoint, digests: Digests) -> None:
        self._parts.update(event.parts)
        self._expected_outputs.update(event.outputs)
        self._syndromes.update(event.syndromes)
        total = digests.total()
        if total != event.total:
            self._diverge(
                "digest",
                f"its digest is {total.hex()}",
                expected=f"at this checkpoint ({event.reason}) its digest is {event.total.hex()}",
                checkpoint=event.reason,
                differences=tuple(self._differences(digests)),
            )
        if any(digest[:LOCATOR_BYTES] != self._parts.get(name) for name, digest in digests.parts()):
            # The digest of the whole is right, and those of its parts are not.
            raise self._altered_before(now)
        for port, count in self._expected_outputs.items():
            sent = self._outlets[port].position if port in self._outlets else 0
            if sent != count:
                self._diverge(
                    "output",
                    f"{readable(port)} has sent {sent} bytes",
                    expected=f"{readable(port)} has sent {count} bytes",
                )
        self._agreed = now

    def _differences(self, digests: Digests) -> Iterator[Difference]:
        """What differs: by its name as far as the codes in the log go, else by its part."""
        mine = {name: value[:LOCATOR_BYTES] for name, value in digests.parts()}
        for name in self._parts | mine:
            if self._parts.get(name) == mine.get(name):
                continue
            inside = digests.inside(name) if name in mine else None
            expected = self._syndromes.get(name)
            if inside is None or expected is None:
                yield Difference(readable(name))
            else:
                yield from inside.differences(expected) or [Difference(name)]

    def _upcoming(self, now: Icount) -> Logged | None:
        """The next event. Divergence if its instant has passed: the machine left it out."""
        self._raise_again()
        assert now >= self._last, f"time only goes forward: {now} after {self._last}"
        self._last = now
        upcoming = self._peek()
        if upcoming is not None and upcoming.at < now:
            self._diverge("event", f"ran on to instruction {now:_} without that")
        return upcoming

    def _peek(self, depth: int = 1) -> Logged | None:
        try:
            while len(self._ahead) < depth and (event := next(self._events, None)) is not None:
                self._ahead.append(event)
        except LockstepError as error:
            self._failed = error
            raise
        return self._ahead[depth - 1] if len(self._ahead) >= depth else None

    def _consume(self) -> None:
        self._behind.append(self._ahead.popleft())
        self._consumed += 1

    def _rest(self) -> str | None:
        upcoming = self._peek()
        if upcoming is not None:
            return f"at instruction {upcoming}"
        for port, outlet in self._outlets.items():
            if outlet.remaining():
                return f"{readable(port)} sent more bytes than the {outlet.position} it did"
        return None

    def _diverge(
        self,
        kind: Kind,
        actual: str,
        *,
        expected: str | None = None,
        checkpoint: str = "",
        differences: tuple[Difference, ...] = (),
    ) -> NoReturn:
        upcoming = self._peek()
        if expected is None:
            expected = f"at instruction {upcoming}" if upcoming else "nothing more: it ends here"
        altered = self._altered()
        report = Report(
            kind=kind,
            at=self._now(),
            expected=expected,
            actual=actual,
            checkpoint=checkpoint,
            agreed=self._agreed,
            differences=differences,
            around=tuple(self._around()),
            altered=None if altered is None else (altered.first, altered.last),
        )
        self._failed = ReplayDivergence(report)
        raise self._failed

    def _altered_before(self, now: Icount) -> AlteredLog:
        self._failed = AlteredLog(START if self._agreed is None else self._agreed, now)
        return self._failed

    def _altered(self) -> AlteredLog | None:
        """Whether the log itself is to blame: its next checkpoint tells."""
        depth = _AROUND
        with suppress(BadRecording):
            while (logged := self._peek(depth)) and not isinstance(logged.event, Checkpoint):
                if depth == _FAR:
                    return None
                depth += 1
        return self._failed if isinstance(self._failed, AlteredLog) else None

    def _around(self) -> Iterator[Nearby]:
        for at, event in self._behind:
            yield Nearby(at, done=True, event=event.describe())
        for at, event in islice(self._ahead, _AROUND):
            yield Nearby(at, done=False, event=event.describe())

    def _raise_again(self) -> None:
        """A device's caller may have lost the exception on its way through native code."""
        if self._failed is not None:
            raise self._failed

    def transcript(self, port: str) -> Iterator[bytes]:
        """The recorded output of a port."""
        return self._log.transcript(port)


def _leads_out(event: Event) -> bool:
    """Whether only an instruction or an arrival leads to this: at its instant it is too late."""
    return isinstance(event, Checkpoint) and event.reason != PERIODIC


class _ReplayedOutlet:
    def __init__(self, replayer: Replayer, port: str) -> None:
        self._replayer = replayer
        self._port = port
        self._texts = replayer.transcript(port)
        self._text = b""
        self._used = 0
        self.position = 0

    def ask(self, question: str, size: int) -> bytes:
        return self._replayer.answer(self._port, question, size)

    def emit(self, data: bytes) -> None:
        expected = self._take(len(data))
        self._replayer.check_output(self._port, self.position, expected, data)
        self.position += len(data)

    def remaining(self) -> bool:
        """Whether the transcript has more than was sent."""
        return self._used < len(self._text) or self._load()

    def _take(self, size: int) -> bytes:
        taken = self._text[self._used : self._used + size]
        self._used += len(taken)
        while len(taken) < size and self._load():
            rest = self._text[: size - len(taken)]
            self._used = len(rest)
            taken += rest
        return taken

    def _load(self) -> bool:
        text = next(self._texts, None)
        if text is None:
            return False
        self._text, self._used = text, 0
        return True
