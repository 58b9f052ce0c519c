"""A checksum that runs through all that is logged, kept in every checkpoint.

A chunk's own checksum shows that its bytes are what was stored; this one, that the events are those
that were logged: all of them, in that order, and none besides.
"""

import zlib
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import msgspec

from lockstep.det.instant import START, Icount
from lockstep.errors import BadRecording
from lockstep.replay.format import Checkpoint, Event, Logged

_REMEDY: Final = (
    "Get the recording again from where it was made; what comes before can still be replayed with "
    "--until."
)

_encode = msgspec.msgpack.Encoder().encode


class AlteredLog(BadRecording):
    """What is logged after instruction `first` and up to `last` is not what was recorded."""

    def __init__(self, first: Icount, last: Icount) -> None:
        self.first = first
        self.last = last
        super().__init__(
            f"the log was altered: its events from instruction {first:_} to {last:_} are not the "
            f"ones that were recorded",
            remedy=_REMEDY,
        )


class Chain:
    """The checksum so far; the same while writing and while reading."""

    def __init__(self) -> None:
        self.value = 0
        self._agreed = START

    def add(self, logged: Logged) -> None:
        """One more event."""
        number = type(logged.event).__struct_config__.tag
        data = _encode((logged.at, number, *_lasting(logged.event)))
        self.value = zlib.crc32(data, self.value)

    def follow(self, events: Sequence[Logged]) -> int:
        """Add events up to a checkpoint that does not fit what came before it; how many fit."""
        for count, logged in enumerate(events):
            event = logged.event
            if isinstance(event, Checkpoint) and event.chain is not None:
                if event.chain != self.value:
                    return count
                self._agreed = logged.at
            self.add(logged)
        return len(events)

    def altered(self, last: Icount) -> AlteredLog:
        """The error for events that do not fit a later checksum, at `last`."""
        return AlteredLog(self._agreed, last)


def _lasting(event: Event) -> list[Any]:
    """The fields, without those at the end that later versions may have appended."""
    values: list[Any] = list(msgspec.structs.astuple(event))
    for default in reversed(_defaults(type(event))):
        if values[-1] != default:
            break
        values.pop()
    return values


@cache
def _defaults(kind: type[Event]) -> list[Any]:
    return [
        field.default_factory() if field.default is msgspec.NODEFAULT else field.default
        for field in msgspec.structs.fields(kind)
        if not field.required
    ]
