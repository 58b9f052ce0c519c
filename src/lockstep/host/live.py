"""The live world: the host as the machine sees it, through one door."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence

from lockstep.det.instant import FOREVER, Icount
from lockstep.det.state import Digests
from lockstep.det.world import Arrival
from lockstep.host.answers import Answers, answer

Sink = Callable[[bytes], None]
"""Where output of a port goes."""


class LiveOutlet:
    """The outside of one device."""

    def __init__(self, answers: Answers, sink: Sink | None) -> None:
        self._answers = answers
        self._sink = sink

    def ask(self, question: str, size: int) -> bytes:
        """An answer from the host, now."""
        return answer(self._answers, question, size)

    def emit(self, data: bytes) -> None:
        """Pass output on, if anyone listens."""
        if self._sink is not None:
            self._sink(data)


class Live:
    """A world that is happening. The main loop posts what arrives; both ends hold the locks."""

    def __init__(self, answers: Answers, sinks: Mapping[str, Sink]) -> None:
        self._answers = answers
        self._sinks = dict(sinks)
        self._outlets: dict[str, LiveOutlet] = {}
        # Guarded by the big lock.
        self._inbox: deque[Arrival] = deque()

    def post(self, arrival: Arrival) -> None:
        """Queue an arrival for the start of the next execution period."""
        self._inbox.append(arrival)

    def post_first(self, arrival: Arrival) -> None:
        """Queue an arrival ahead of all that wait."""
        self._inbox.appendleft(arrival)

    @property
    def pending(self) -> bool:
        """Whether something waits to be taken."""
        return bool(self._inbox)

    def outlet(self, port: str) -> LiveOutlet:
        """The outlet of the device called `port`."""
        if port not in self._outlets:
            self._outlets[port] = LiveOutlet(self._answers, self._sinks.get(port))
        return self._outlets[port]

    def horizon(self, now: Icount) -> Icount:
        """The future is open."""
        return FOREVER

    def arrivals(self, now: Icount) -> Sequence[Arrival]:
        """Everything that waits, in the order it was posted."""
        taken = list(self._inbox)
        self._inbox.clear()
        return taken

    def checkpoint(self, kind: str, now: Icount, digests: Callable[[], Digests]) -> None:
        """Nothing is written down here."""
