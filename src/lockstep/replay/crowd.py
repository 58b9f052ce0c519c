"""No more happens at one instant than a machine can be told of at once."""

from lockstep.det.instant import START
from lockstep.errors import BadRecording
from lockstep.replay.bounds import (
    MAX_AT_INSTANT,
    MAX_BYTES_AT_INSTANT,
    MAX_CHECKPOINTS_AT_INSTANT,
)
from lockstep.replay.format import Checkpoint, Logged


class Crowd:
    """Counts what is logged at the last instant seen."""

    def __init__(self) -> None:
        self._at = START
        self._events = self._checkpoints = self._bytes = 0

    def add(self, logged: Logged) -> None:
        """One more event. BadRecording if that is too many."""
        at, event = logged
        if at != self._at:
            self._at = at
            self._events = self._checkpoints = self._bytes = 0
        self._events += 1
        self._bytes += len(getattr(event, "data", b""))
        if isinstance(event, Checkpoint):
            self._checkpoints += 1
        if (
            self._events > MAX_AT_INSTANT
            or self._checkpoints > MAX_CHECKPOINTS_AT_INSTANT
            or self._bytes > MAX_BYTES_AT_INSTANT
        ):
            raise BadRecording(
                f"more is logged at instruction {at:_} than can have happened there: over "
                f"{self._events - 1:,} events with {self._bytes:,} bytes",
                remedy="No lockstep records so much at once. Get the recording again from where "
                "it was made.",
            )
