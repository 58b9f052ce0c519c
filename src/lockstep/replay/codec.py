"""How events become bytes and how bytes that may be damaged become events again.

A chunk is a MessagePack array of two columns, the steps from each instant to the next and the
events, compressed by zstd (columns compress better than rows). Its CRC covers its range too.
"""

import zlib
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any, Final

import msgspec
import zstandard

from lockstep.det.instant import Icount
from lockstep.errors import BadRecording
from lockstep.replay.format import FIRST_SKIPPABLE, KINDS, AnyEvent, Event, Logged

MAX_DECODED: Final = 64 << 20
"""No honest chunk unpacks to more: the writer closes a chunk long before."""

_LEVEL: Final = 12
_DAMAGED: Final = "Copy the file again from where it was recorded: damage cannot be replayed."


class _Columns(msgspec.Struct, array_like=True):
    steps: list[int]
    events: list[AnyEvent]


class _RawColumns(msgspec.Struct, array_like=True):
    steps: list[int]
    events: list[msgspec.Raw]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Columns).decode
_decode_raw = msgspec.msgpack.Decoder(_RawColumns).decode
_decode_event: Callable[[msgspec.Raw], Event] = msgspec.msgpack.Decoder(AnyEvent).decode
_decode_array = msgspec.msgpack.Decoder(list[Any]).decode


def encode_chunk(first: Icount, logged: Sequence[Logged]) -> bytes:
    """The bytes of the events of a range that starts at `first`."""
    instants = [first, *(each.at for each in logged)]
    steps = [later - earlier for earlier, later in pairwise(instants)]
    return compress(_encode(_Columns(steps, [each.event for each in logged])))


def decode_chunk(first: Icount, data: bytes) -> list[Logged]:
    """The events of a range that starts at `first`. BadRecording, whatever the bytes are."""
    raw = decompress(data)
    try:
        columns: Any = _decode(raw)
    except msgspec.DecodeError:
        columns = _decode_lenient(raw)
    if len(columns.steps) != len(columns.events) or min(columns.steps, default=0) < 0:
        raise BadRecording("the event log is inconsistent", remedy=_DAMAGED)
    instants = accumulate(columns.steps, initial=first)
    next(instants)
    return [
        Logged(Icount(at), event)
        for at, event in zip(instants, columns.events, strict=True)
        if event is not None
    ]


def _decode_lenient(raw: bytes) -> Any:
    """Decode event by event, with None for each that may be skipped."""
    try:
        columns = _decode_raw(raw)
        return _LenientColumns(columns.steps, [_decode_known(each) for each in columns.events])
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRecording(f"the event log is damaged: {error}", remedy=_DAMAGED) from error


class _LenientColumns(msgspec.Struct):
    steps: list[int]
    events: list[Event | None]


def _decode_known(raw: msgspec.Raw) -> Event | None:
    number = next(iter(_decode_array(raw)), None)
    if not isinstance(number, int) or number in KINDS:
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
