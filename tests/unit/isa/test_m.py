"""M: products and quotients against Python's integers, and the two that never trap."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given

from instructions import WORDS, compute, signed, unsigned


def quotient(a: int, b: int) -> int:
    """Towards zero; all ones by zero (Unpriv. 12.2). Overflow wraps by itself."""
    if b == 0:
        return -1
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def remainder(a: int, b: int) -> int:
    return a if b == 0 else a - b * quotient(a, b)


EXPECTED: dict[str, Callable[[int, int], int]] = {
    "mul": lambda a, b: a * b,
    "mulh": lambda a, b: signed(a) * signed(b) >> 64,
    "mulhsu": lambda a, b: signed(a) * b >> 64,
    "mulhu": lambda a, b: a * b >> 64,
    "mulw": lambda a, b: signed(a * b, 32),
    "div": lambda a, b: quotient(signed(a), signed(b)),
    "divu": quotient,
    "rem": lambda a, b: remainder(signed(a), signed(b)),
    "remu": remainder,
    "divw": lambda a, b: signed(quotient(signed(a, 32), signed(b, 32)), 32),
    "divuw": lambda a, b: signed(quotient(unsigned(a, 32), unsigned(b, 32)), 32),
    "remw": lambda a, b: signed(remainder(signed(a, 32), signed(b, 32)), 32),
    "remuw": lambda a, b: signed(remainder(unsigned(a, 32), unsigned(b, 32)), 32),
}


@pytest.mark.parametrize("name", EXPECTED)
@given(a=WORDS, b=WORDS)
def test_against_python(name: str, a: int, b: int) -> None:
    assert compute(name, a, b) == unsigned(EXPECTED[name](a, b))


LEAST, LEAST_WORD, ONES = 1 << 63, 1 << 31, (1 << 64) - 1


@pytest.mark.parametrize(
    ("name", "a", "b", "expected"),
    [
        ("div", 7, 0, ONES),
        ("div", LEAST, ONES, LEAST),
        ("divu", 7, 0, ONES),
        ("rem", 7, 0, 7),
        ("rem", LEAST, ONES, 0),
        ("remu", 7, 0, 7),
        ("divw", 7, 1 << 32, ONES),
        ("divw", LEAST_WORD, ONES, 0xFFFF_FFFF_8000_0000),
        ("divuw", 7, 1 << 32, ONES),
        ("remw", 0x1_8000_0001, 0, 0xFFFF_FFFF_8000_0001),
        ("remw", LEAST_WORD, ONES, 0),
        ("remuw", 0x1_8000_0001, 0, 0xFFFF_FFFF_8000_0001),
    ],
)
def test_division_by_zero_and_overflow(name: str, a: int, b: int, expected: int) -> None:
    """The table of Unpriv. 12.2."""
    assert compute(name, a, b) == expected
