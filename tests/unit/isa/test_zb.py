"""Zba, Zbb, Zbc and Zbs against formulations over strings of bits."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructions import WORDS, compute, signed, unsigned


def bits(value: int, width: int = 64) -> str:
    return f"{unsigned(value, width):0{width}b}"


def rotated(value: int, right: int, width: int) -> int:
    """The last `right` digits come first."""
    digits = bits(value, width)
    cut = width - right % width
    return int(digits[cut:] + digits[:cut], 2)


def leading(value: int, width: int) -> int:
    return len(bits(value, width).partition("1")[0])


def trailing(value: int, width: int) -> int:
    return len(bits(value, width).rpartition("1")[2])


def with_bit(value: int, index: int, change: Callable[[str], str]) -> int:
    digits = list(bits(value)[::-1])
    digits[index % 64] = change(digits[index % 64])
    return int("".join(digits)[::-1], 2)


def flipped(digit: str) -> str:
    return "10"[int(digit)]


def carryless(a: int, b: int) -> int:
    """The sum of a, shifted to each bit of b, without carries."""
    product = 0
    for place, digit in enumerate(reversed(bits(b))):
        product ^= int(bits(a) + "0" * place, 2) * int(digit)
    return product


BINARY: dict[str, Callable[[int, int], int]] = {
    "clmul": carryless,
    "clmulh": lambda a, b: carryless(a, b) >> 64,
    "clmulr": lambda a, b: carryless(a, b) >> 63,
    "add.uw": lambda a, b: unsigned(a, 32) + b,
    "sh1add": lambda a, b: 2 * a + b,
    "sh2add": lambda a, b: 4 * a + b,
    "sh3add": lambda a, b: 8 * a + b,
    "sh1add.uw": lambda a, b: 2 * unsigned(a, 32) + b,
    "sh2add.uw": lambda a, b: 4 * unsigned(a, 32) + b,
    "sh3add.uw": lambda a, b: 8 * unsigned(a, 32) + b,
    "andn": lambda a, b: a & ~b,
    "orn": lambda a, b: a | ~b,
    "xnor": lambda a, b: ~(a ^ b),
    "max": lambda a, b: max(signed(a), signed(b)),
    "maxu": max,
    "min": lambda a, b: min(signed(a), signed(b)),
    "minu": min,
    "rol": lambda a, b: rotated(a, -b, 64),
    "ror": lambda a, b: rotated(a, b, 64),
    "rolw": lambda a, b: signed(rotated(a, -b, 32), 32),
    "rorw": lambda a, b: signed(rotated(a, b, 32), 32),
    "bclr": lambda a, b: with_bit(a, b, lambda digit: "0"),
    "bext": lambda a, b: int(bits(a)[63 - b % 64]),
    "binv": lambda a, b: with_bit(a, b, flipped),
    "bset": lambda a, b: with_bit(a, b, lambda digit: "1"),
}

UNARY: dict[str, Callable[[int], int]] = {
    "clz": lambda a: leading(a, 64),
    "clzw": lambda a: leading(a, 32),
    "ctz": lambda a: trailing(a, 64),
    "ctzw": lambda a: trailing(a, 32),
    "cpop": lambda a: bits(a).count("1"),
    "cpopw": lambda a: bits(a, 32).count("1"),
    "sext.b": lambda a: signed(a, 8),
    "sext.h": lambda a: signed(a, 16),
    "zext.h": lambda a: unsigned(a, 16),
    "orc.b": lambda a: int.from_bytes(255 if b else 0 for b in a.to_bytes(8, "big")),
    "rev8": lambda a: int.from_bytes(a.to_bytes(8, "little")),
}

BY_IMMEDIATE: dict[str, Callable[[int, int], int]] = {
    "slli.uw": lambda a, n: unsigned(a, 32) << n,
    "rori": BINARY["ror"],
    "roriw": BINARY["rorw"],
    "bclri": BINARY["bclr"],
    "bexti": BINARY["bext"],
    "binvi": BINARY["binv"],
    "bseti": BINARY["bset"],
}


@pytest.mark.parametrize("name", BINARY)
@given(a=WORDS, b=WORDS)
def test_of_two_registers(name: str, a: int, b: int) -> None:
    assert compute(name, a, b) == unsigned(BINARY[name](a, b))


@pytest.mark.parametrize("name", UNARY)
@given(a=WORDS)
def test_of_one_register(name: str, a: int) -> None:
    assert compute(name, a) == unsigned(UNARY[name](a))


@pytest.mark.parametrize("name", BY_IMMEDIATE)
@given(a=WORDS, data=st.data())
def test_by_immediate(name: str, a: int, data: st.DataObject) -> None:
    shamt = data.draw(st.integers(0, 31 if name == "roriw" else 63))
    assert compute(name, a, shamt=shamt) == unsigned(BY_IMMEDIATE[name](a, shamt))
