"""How events become bytes and how bytes that may be damaged become events again.

A chunk is a MessagePack array, compressed by zstd: two columns, the steps from each instant to the
next and the events (columns compress better than rows), and how many bytes had left through each
port when it ended, so that a recording can be cut there. Its CRC covers its range too.
"""

import zlib
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import zstandard

from lockstep.det.instant import Icount
from lockstep.errors import BadRecording
from lockstep.replay.bounds import (
    BIG_CHUNK,
    MAX_DECODED,
    MAX_EVENTS,
    MAX_NAMES,
    MAX_NAMES_IN_CHUNK,
)
from lockstep.replay.format import (
    FIRST_SKIPPABLE,
    KINDS,
    AnyEvent,
    Checkpoint,
    Event,
    Logged,
    Uint64,
)

_LEVEL: Final = 6
_DAMAGED: Final = "Copy the file again from where it was recorded: damage cannot be replayed."


_Few = msgspec.Meta(max_length=MAX_EVENTS)
_Outputs = Annotated[dict[str, Uint64], msgspec.Meta(max_length=MAX_NAMES)]


class _Columns(msgspec.Struct, array_like=True):
    steps: Annotated[list[int], _Few]
    events: Annotated[list[AnyEvent], _Few]
    outputs: _Outputs | None = None


class _RawColumns(msgspec.Struct, array_like=True):
    steps: Annotated[list[int], _Few]
    events: Annotated[list[msgspec.Raw], _Few]
    outputs: _Outputs | None = None


class _Kind(msgspec.Struct, array_like=True):
    """What every event begins with, whatever follows."""

    number: int


class Chunk(NamedTuple):
    """The events of a range, and how many bytes had left through each port when it ended.

    `outputs` is None where that is not known.
    """

    logged: list[Logged]
    outputs: dict[str, int] | None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Columns).decode
_decode_raw = msgspec.msgpack.Decoder(_RawColumns).decode
_decode_event: Callable[[msgspec.Raw], Event] = msgspec.msgpack.Decoder(AnyEvent).decode
_decode_kind = msgspec.msgpack.Decoder(_Kind).decode


def encode_chunk(
    first: Icount, logged: Sequence[Logged], outputs: dict[str, int] | None = None
) -> bytes:
    """The bytes of the events of a range that starts at `first`."""
    assert len(logged) <= MAX_EVENTS, f"{len(logged)} events are too many for a chunk"
    instants = [first, *(each.at for each in logged)]
    steps = [later - earlier for earlier, later in pairwise(instants)]
    events = [each.event for each in logged]
    return compress(_encode(_Columns(steps, events, outputs)))


def decode_chunk(first: Icount, data: bytes) -> Chunk:
    """What `encode_chunk` was given. BadRecording, whatever the bytes are."""
    raw = decompress(data)
    try:
        columns: Any = _decode_big(raw) if len(raw) > BIG_CHUNK else _decode(raw)
    except (msgspec.DecodeError, RecursionError):
        columns = _decode_lenient(raw)
    if len(columns.steps) != len(columns.events) or min(columns.steps, default=0) < 0:
        raise BadRecording("the event log is inconsistent", remedy=_DAMAGED)
    instants = accumulate(columns.steps, initial=first)
    next(instants)
    logged = [
        Logged(Icount(at), event)
        for at, event in zip(instants, columns.events, strict=True)
        if event is not None
    ]
    return Chunk(logged, columns.outputs)


def _decode_big(raw: bytes) -> Any:
    """Event by event: of small names there is room for so many that they would fill the memory."""
    columns, names = _decode_raw(raw), 0
    events: list[Event | None] = []
    for each in columns.events:
        event = _decode_event(each)
        if isinstance(event, Checkpoint):
            names += len(event.parts) + len(event.outputs) + len(event.syndromes)
            if names > MAX_NAMES_IN_CHUNK:
                raise BadRecording("the event log is damaged: too many names", remedy=_DAMAGED)
        events.append(event)
    return _LenientColumns(columns.steps, events, columns.outputs)


def _decode_lenient(raw: bytes) -> Any:
    """Decode event by event, with None for each that may be skipped."""
    try:
        columns = _decode_raw(raw)
        events = [_decode_known(each) for each in columns.events]
        return _LenientColumns(columns.steps, events, columns.outputs)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRecording(f"the event log is damaged: {error}", remedy=_DAMAGED) from error


class _LenientColumns(msgspec.Struct):
    steps: list[int]
    events: list[Event | None]
    outputs: dict[str, int] | None


def _decode_known(raw: msgspec.Raw) -> Event | None:
    number = _decode_kind(raw).number
    if number in KINDS:
        return _decode_event(raw)  # which says what is wrong with it
    if number >= FIRST_SKIPPABLE:
        return None
    raise BadRecording(
        f"the recording has an event of kind {number}, which this version does not know",
        remedy="Replay it with the version of lockstep that recorded it, or a newer one.",
    )


def encoded_size(event: Event) -> int:
    """The size of an event before compression."""
    return len(_encode(event))


def compress(data: bytes, level: int = _LEVEL) -> bytes:
    """zstd, with the size in the frame."""
    return zstandard.ZstdCompressor(level=level).compress(data)


def decompress(data: bytes, limit: int = MAX_DECODED) -> bytes:
    """Bounded: a small malicious frame cannot fill the memory."""
    try:
        size = zstandard.frame_content_size(data)
        if not 0 <= size <= limit:
            raise BadRecording("the recording is damaged: absurd size", remedy=_DAMAGED)
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=limit)
    except (zstandard.ZstdError, MemoryError) as error:
        raise BadRecording(f"the recording is damaged: {error}", remedy=_DAMAGED) from error


def checksum(data: bytes, *numbers: int) -> int:
    """CRC-32 of stored bytes together with the numbers that are stored beside them."""
    return zlib.crc32(repr(numbers).encode(), zlib.crc32(data))


def verify_checksum(expected: int, data: bytes, *numbers: int) -> None:
    """BadRecording if the stored bytes, or the numbers beside them, are not what was written."""
    if checksum(data, *numbers) != expected:
        raise BadRecording("the recording is damaged: a checksum is wrong", remedy=_DAMAGED)
