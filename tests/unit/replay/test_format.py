"""The table of events: exact round trips, stable numbers, and a codec that nothing can upset."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.det.instant import Icount
from lockstep.det.world import Arrival, line_break
from lockstep.errors import BadRecording
from lockstep.replay import bounds, codec
from lockstep.replay.format import (
    KINDS,
    Answer,
    AnswerEvent,
    ArrivalEvent,
    Break,
    Checkpoint,
    Entropy,
    Event,
    Logged,
    Power,
    SerialInput,
    WallClock,
    Warp,
    answer_event,
    arrival_event,
)

PORTS = st.sampled_from(["serial0", "serial1", "warp", "power", "net0", ""])
EVENTS = st.one_of(
    st.builds(answer_event, PORTS, st.sampled_from(["wall-clock", "entropy", "x"]), st.binary()),
    st.builds(lambda port, data: arrival_event(Arrival(port, data)), PORTS, st.binary()),
    st.builds(
        Checkpoint,
        st.text(),
        st.binary(),
        st.dictionaries(st.text(), st.binary()),
        st.dictionaries(st.text(), st.integers(0, 2**63)),
    ),
)


def test_the_numbers_of_the_kinds_never_change() -> None:
    """Recordings hold these numbers. Add to this table; never edit it."""
    assert {number: cls.kind for number, cls in KINDS.items()} == {
        1: "wall-clock",
        2: "entropy",
        3: "answer",
        16: "serial",
        17: "warp",
        18: "power",
        19: "arrival",
        20: "break",
        32: "checkpoint",
    }


def test_every_kind_has_a_sentence() -> None:
    assert all(cls.__doc__ and cls.__doc__.split() for cls in KINDS.values())


@given(PORTS, st.sampled_from(["wall-clock", "entropy", "block"]), st.binary(max_size=20))
def test_an_answer_gives_back_exactly_what_was_said(port: str, question: str, data: bytes) -> None:
    event = answer_event(port, question, data)
    assert isinstance(event, AnswerEvent)
    assert (event.port, event.question, event.answer) == (port, question, data)


@given(PORTS, st.binary(max_size=20))
def test_an_arrival_gives_back_exactly_what_came(port: str, data: bytes) -> None:
    event = arrival_event(Arrival(port, data))
    assert isinstance(event, ArrivalEvent)
    assert event.arrival() == Arrival(port, data)


def test_arrivals_and_answers_get_the_most_specific_kind() -> None:
    assert answer_event("rtc", "wall-clock", (5).to_bytes(8, "little")) == WallClock("rtc", 5)
    assert answer_event("rtc", "wall-clock", b"odd") == Answer("rtc", "wall-clock", b"odd")
    assert answer_event("dtb", "entropy", b"e") == Entropy("dtb", b"e")
    assert arrival_event(Arrival("serial0", b"x")) == SerialInput("serial0", b"x")
    assert arrival_event(line_break("serial0")) == Break("serial0")
    assert Break("serial0").arrival() == line_break("serial0")
    assert arrival_event(Arrival("warp", b"")) == Warp(None)
    assert arrival_event(Arrival("warp", bytes(8))) == Warp(0)
    assert arrival_event(Arrival("power", b"shutdown")) == Power("shutdown")


@given(st.lists(st.tuples(st.integers(0, 10**9), EVENTS), max_size=30))
def test_chunks_round_trip(steps: list[tuple[int, Event]]) -> None:
    at, logged = 7, []
    for step, event in steps:
        at += step
        logged.append(Logged(Icount(at), event))
    assert codec.decode_chunk(Icount(7), codec.encode_chunk(Icount(7), logged, {"a": 1})) == (
        logged,
        {"a": 1},
    )


def test_a_warp_to_the_deadline_takes_next_to_nothing() -> None:
    """A thousand timer wake-ups of an idle machine, at even steps, are a few dozen bytes."""
    logged = [Logged(Icount(at * 1000), Warp(None)) for at in range(1000)]
    assert len(codec.encode_chunk(Icount(0), logged)) < 64


def pack(steps: list[int], events: list[object]) -> bytes:
    return codec.compress(msgspec.msgpack.encode([steps, events]))


def test_unknown_kinds_are_skipped_if_their_number_says_so() -> None:
    data = pack([5, 6, 7], [[17, None], [200, "a bookmark"], [17, 9]])
    assert codec.decode_chunk(Icount(0), data).logged == [
        Logged(Icount(5), Warp(None)),
        Logged(Icount(18), Warp(9)),
    ]


def test_unknown_kinds_that_matter_are_refused_with_a_remedy() -> None:
    with pytest.raises(BadRecording, match="kind 77, which this version does not know") as caught:
        codec.decode_chunk(Icount(0), pack([5], [[77, 1]]))
    assert "newer" in caught.value.remedy


def test_fields_appended_by_a_newer_version_do_no_harm() -> None:
    assert codec.decode_chunk(Icount(0), pack([1], [[17, 9, "extra"]])).logged == [
        Logged(Icount(1), Warp(9))
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not zstd",
        codec.compress(b""),
        codec.compress(b"\xff"),
        pack([-5], [[17, None]]),
        pack([1, 2], [[17, None]]),
        pack([1], [[17, -1]]),
        pack([1], [[]]),
        pack([1], ["x"]),
        pack([1], [[{}, 1]]),
        codec.compress(b"\x92\x91\x01\x91" + b"\x91" * 200_000 + b"\x01"),
        codec.compress(bytes(1 << 20))[:-3],
        codec.compress(bytes(bounds.MAX_DECODED + 1)),
    ],
)
def test_damaged_chunks_are_bad_recordings(data: bytes) -> None:
    with pytest.raises(BadRecording) as caught:
        codec.decode_chunk(Icount(0), data)
    assert caught.value.remedy


@given(st.binary(max_size=200))
def test_no_bytes_whatever_upset_the_decoder(data: bytes) -> None:
    for attempt in (data, codec.compress(data)):
        with contextlib.suppress(BadRecording):
            codec.decode_chunk(Icount(0), attempt)


def test_a_checksum_covers_the_numbers_beside_the_data() -> None:
    crc = codec.checksum(b"data", 1, 2)
    codec.verify_checksum(crc, b"data", 1, 2)
    for data, numbers in ((b"date", (1, 2)), (b"data", (1, 3)), (b"data", (12,))):
        with pytest.raises(BadRecording, match="checksum"):
            codec.verify_checksum(crc, data, *numbers)


def test_events_describe_themselves() -> None:
    event = Checkpoint("periodic", b"\x01" * 16, {"hart 0": b"\x02" * 4}, {"serial0": 7})
    assert event.describe() == (
        "checkpoint reason=periodic total=01010101010101010101010101010101 "
        "parts={hart 0: 02020202} outputs={serial0: 7}"
    )
    assert SerialInput("serial0", b"ls\r").describe() == "serial port=serial0 data=b'ls\\r'"
    assert event.as_dict()["parts"] == {"hart 0": "02020202"}
    assert str(Logged(Icount(1234567), Entropy("dtb", bytes(64)))).startswith(
        "1_234_567: entropy port=dtb data=00000000000000000000000000000000... (64 bytes)"
    )
