"""States taken apart: every value has a name, and a wrong one is named with what it should be."""

import msgspec

from lockstep.det.leaves import Difference, Fields, compare, leaves


class Fifo(msgspec.Struct):
    data: bytes
    level: int | None


class Device(msgspec.Struct):
    on: bool
    rows: tuple[tuple[int, ...], ...]
    fifo: Fifo


STATE = Device(True, ((1, 2), (3,)), Fifo(b"lockstep!", None))


def test_leaves_have_the_names_that_python_would_give_them() -> None:
    taken = leaves(STATE)
    assert taken["on"] == 1
    assert taken["rows[1][0]"] == 3
    assert taken["fifo.data.length"] == 9
    assert taken["fifo.data[0:8]"].to_bytes(8, "little") == b"lockstep"
    assert list(leaves({"a": {"b": -1}}).items()) == [("a[b]", 2**64 - 1)]


def test_what_is_long_is_hashed() -> None:
    assert len(leaves({"rom": bytes(5000)})) == 2
    assert leaves({"rom": bytes(5000)}) != leaves({"rom": bytes(4999) + b"x"})


def test_none_is_unlike_any_number_that_is_likely() -> None:
    assert leaves({"a": None}) != leaves({"a": 0})
    found = Fields("rtc", leaves({"a": 5})).differences(
        Fields("rtc", leaves({"a": None})).syndrome()
    )
    assert [str(each) for each in found] == ["rtc a: expected none, came 0x5"]


def test_wrong_fields_are_named_with_their_right_values() -> None:
    right = Fields("hart 0", {"pc": 0x8000_0000, "x1": 7, "x2": 9})
    wrong = Fields("hart 0", {"pc": 0x8000_0000, "x1": 5, "x2": 2**63})
    assert wrong.differences(right.syndrome()) == [
        Difference("hart 0", "x1", "0x7", "0x5"),
        Difference("hart 0", "x2", "0x9", hex(2**63)),
    ]


def test_two_states_at_hand_are_compared_value_by_value() -> None:
    found = compare("plic", {"a": 1, "b": 2, "gone": 3}, {"a": 1, "b": 5, "new": 6})
    assert [str(each) for each in found] == [
        "plic b: expected 0x2, came 0x5",
        "plic gone: expected 0x3, came absent",
        "plic new: expected absent, came 0x6",
    ]
