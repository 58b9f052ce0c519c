"""A: what memory and rd hold afterwards, alignment, and the life of a reservation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given

from fakes.hart import FakeHart, GuestTrap
from instructions import WORDS, encode, signed, unsigned
from lockstep.isa.state import NO_RESERVATION

AT = 0x1000
SIZES = {"w": 4, "d": 8}

COMBINE: dict[str, Callable[[int, int], int]] = {
    "amoswap": lambda old, new: new,
    "amoadd": lambda old, new: old + new,
    "amoxor": lambda old, new: old ^ new,
    "amoand": lambda old, new: old & new,
    "amoor": lambda old, new: old | new,
    "amomin": min,
    "amomax": max,
    "amominu": min,
    "amomaxu": max,
}
AMOS = [f"{stem}.{suffix}" for stem in COMBINE for suffix in SIZES]


def hart_at(addr: int) -> FakeHart:
    hart = FakeHart()
    hart.x[11] = addr
    return hart


@pytest.mark.parametrize("name", AMOS)
@given(old=WORDS, value=WORDS)
def test_read_modify_write(name: str, old: int, value: int) -> None:
    stem, suffix = name.split(".")
    size = SIZES[suffix]
    read = unsigned if stem.endswith("u") else signed
    hart = hart_at(AT)
    hart.x[12] = value
    hart.poke(AT, 8, old)
    hart.execute(encode(name, rd=10, rs1=11, rs2=12))
    combined = COMBINE[stem](read(old, 8 * size), read(value, 8 * size))
    assert hart.peek(AT, size) == unsigned(combined, 8 * size)
    assert hart.x[10].value == unsigned(signed(old, 8 * size))
    assert hart.stores == [(AT, size)]


@pytest.mark.parametrize("name", AMOS)
def test_rd_may_be_any_source(name: str) -> None:
    stem, _ = name.split(".")
    for rd in (0, 11, 12):
        hart = hart_at(AT)
        hart.x[12] = 3
        hart.poke(AT, 8, 5)
        hart.execute(encode(name, rd=rd, rs1=11, rs2=12))
        assert hart.peek(AT, 8) == unsigned(COMBINE[stem](5, 3))
        assert hart.x[rd].value == (5 if rd else 0)


@pytest.mark.parametrize(
    ("name", "cause"), [*((name, 6) for name in (*AMOS, "sc.w", "sc.d")), ("lr.w", 4), ("lr.d", 4)]
)
def test_misalignment_traps(name: str, cause: int) -> None:
    for offset in (1, SIZES[name[-1]] // 2):
        hart = hart_at(AT + offset)
        operands = {} if name.startswith("lr") else {"rs2": 12}
        with pytest.raises(GuestTrap) as caught:
            hart.execute(encode(name, rd=10, rs1=11, **operands))
        assert (caught.value.cause, caught.value.tval) == (cause, AT + offset)
        assert hart.stores == []


@pytest.mark.parametrize("suffix", SIZES)
def test_sc_stores_under_a_reservation_and_ends_it(suffix: str) -> None:
    hart = hart_at(AT)
    hart.x[12] = 0x1_2345_6789
    hart.poke(AT, 8, 0x8000_0001_8000_0002)
    hart.execute(encode(f"lr.{suffix}", rd=10, rs1=11))
    assert hart.x[10].value == unsigned(signed(0x8000_0001_8000_0002, 8 * SIZES[suffix]))
    hart.execute(encode(f"sc.{suffix}", rd=13, rs1=11, rs2=12))
    assert hart.x[13].value == 0
    assert hart.stores == [(AT, SIZES[suffix])]
    hart.execute(encode(f"sc.{suffix}", rd=13, rs1=11, rs2=12))
    assert hart.x[13].value == 1
    assert len(hart.stores) == 1


def test_sc_elsewhere_fails_and_ends_the_reservation() -> None:
    hart = hart_at(AT)
    hart.execute(encode("lr.w", rd=10, rs1=11))
    hart.x[11] = AT + 8
    hart.execute(encode("sc.w", rd=13, rs1=11, rs2=12))
    assert (hart.x[13].value, hart.stores) == (1, [])
    assert hart.reservation.value == NO_RESERVATION


def test_ordering_bits_change_nothing() -> None:
    for bits in range(4):
        hart = hart_at(AT)
        hart.x[12] = 2
        hart.poke(AT, 4, 5)
        hart.execute(encode("amoadd.w", rd=10, rs1=11, rs2=12) | bits << 25)
        assert (hart.x[10].value, hart.peek(AT, 4)) == (5, 7)
