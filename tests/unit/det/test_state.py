"""State digests: equal states give equal digests, and differences are named."""

import msgspec

from lockstep.det.state import Digests, canonical_bytes, digest, digest_bytes


class Uart(msgspec.Struct):
    divisor: int
    names: dict[str, int]


def test_equal_states_have_equal_bytes_whatever_order_they_were_filled_in() -> None:
    one = Uart(1, {"a": 1, "b": 2})
    other = Uart(1, {"b": 2, "a": 1})
    assert canonical_bytes(one) == canonical_bytes(other)
    assert digest(one) == digest(other)
    assert digest(one) != digest(Uart(2, {"a": 1, "b": 2}))


def test_a_digest_is_xxh3_128_and_does_not_change_between_versions() -> None:
    """Old recordings hold these numbers: they may never change."""
    assert digest_bytes(b"lockstep").hex() == "b4ead11c934f0a1e75345b2b871d8c38"
    assert len(digest(None)) == 16


def test_differences_name_the_parts_in_order() -> None:
    one = Digests([b"0", b"1"], {"uart": b"u", "plic": b"p"}, b"r")
    other = Digests([b"0", b"x"], {"uart": b"v", "plic": b"p", "rtc": b"t"}, b"r")
    assert one.differences(one) == []
    assert one.differences(other) == ["hart 1", "uart", "rtc"]
    assert one.total() != other.total()


def test_a_total_depends_on_the_names_of_the_parts() -> None:
    assert Digests([], {"a": b"1"}, b"").total() != Digests([], {"b": b"1"}, b"").total()
    assert Digests([], {"a": b"1", "b": b"2"}, b"").total() == (
        Digests([], {"b": b"2", "a": b"1"}, b"").total()
    )
