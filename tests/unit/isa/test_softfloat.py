"""Soft floating point against exact rational arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import ieee
from lockstep.isa import floatconvert, softfloat
from lockstep.isa.softfloat import F32, F64, Format
from lockstep.isa.values import Bits


class Bare:
    """No hart: just enough for pure functions."""

    def invoke(self, function: Callable[..., Any], args: tuple[Any, ...], outlined: bool) -> Any:
        return function(self, *args)

    def const(self, value: int, width: int = 64) -> Bits:
        return Bits(width, value)


KINDS = {F32: ieee.SINGLE, F64: ieee.DOUBLE}
FORMATS = pytest.mark.parametrize("fmt", [F32, F64], ids=["single", "double"])
MODES = st.integers(0, 4)


def numbers(fmt: Format) -> st.SearchStrategy[int]:
    """Bit patterns, most of them near an edge: of the format, of rounding, of cancellation."""
    fraction_bits = fmt.mantissa
    edges = [0, 1, fmt.quiet - 1, fmt.quiet, fmt.quiet + 1, (1 << fraction_bits) - 1]
    runs = st.builds(
        lambda high, low: ((1 << high) - (1 << low)) % (1 << fraction_bits),
        st.integers(0, fraction_bits),
        st.integers(0, fraction_bits),
    )
    fraction = st.one_of(
        st.sampled_from(edges), runs, st.integers(0, 7), st.integers(0, (1 << fraction_bits) - 1)
    )
    middle = fmt.bias
    exponent = st.one_of(
        st.sampled_from([0, 0, 1, 2, fmt.top - 2, fmt.top - 1, fmt.top, fmt.top]),
        st.integers(middle - fmt.precision - 4, middle + fmt.precision + 4),
        st.integers(middle - 3, middle + 3),
        st.integers(fmt.bias // 2 - fmt.precision, fmt.bias // 2 + 4),
        st.integers(0, fmt.top),
    )
    return st.builds(
        lambda sign, e, f: sign * fmt.sign | e << fraction_bits | f,
        st.integers(0, 1),
        exponent,
        fraction,
    )


def check(
    expected: tuple[int, int], function: Callable[..., Any], *args: int | Format | bool | Bits
) -> None:
    result, flags = function(Bare(), *args)
    assert (hex(int(result)), int(flags)) == (hex(expected[0]), expected[1])


def word(value: int) -> Bits:
    return Bits(64, value)


@FORMATS
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
@given(data=st.data(), rm=MODES)
@settings(max_examples=100, deadline=None)
def test_two_operands(fmt: Format, name: str, data: st.DataObject, rm: int) -> None:
    a, b = data.draw(numbers(fmt)), data.draw(numbers(fmt))
    expected = getattr(ieee, name)(KINDS[fmt], rm, a, b)
    check(expected, getattr(softfloat, name), fmt, word(rm), word(a), word(b))


@FORMATS
@given(data=st.data(), rm=MODES)
@settings(max_examples=100, deadline=None)
def test_nearly_equal_terms_cancel(fmt: Format, data: st.DataObject, rm: int) -> None:
    a = data.draw(numbers(fmt))
    b = (a + data.draw(st.integers(-4, 4)) + data.draw(st.integers(-2, 2)) * (fmt.quiet << 1)) % (
        1 << fmt.width
    )
    check(ieee.sub(KINDS[fmt], rm, a, b), softfloat.sub, fmt, word(rm), word(a), word(b))


@FORMATS
@given(data=st.data(), rm=MODES)
@settings(max_examples=300, deadline=None)
def test_fma(fmt: Format, data: st.DataObject, rm: int) -> None:
    a, b, c = (data.draw(numbers(fmt)) for _ in range(3))
    expected = ieee.fma(KINDS[fmt], rm, a, b, c)
    check(expected, softfloat.fma, fmt, word(rm), word(a), word(b), word(c))


@FORMATS
@given(data=st.data(), rm=MODES)
@settings(max_examples=200, deadline=None)
def test_fma_cancels_its_own_product(fmt: Format, data: st.DataObject, rm: int) -> None:
    kind = KINDS[fmt]
    a, b = data.draw(numbers(fmt)), data.draw(numbers(fmt))
    c = ieee.mul(kind, data.draw(MODES), a, b)[0] ^ fmt.sign
    c = (c + data.draw(st.integers(-2, 2))) % (1 << fmt.width)
    check(ieee.fma(kind, rm, a, b, c), softfloat.fma, fmt, word(rm), word(a), word(b), word(c))


@FORMATS
@given(data=st.data(), rm=MODES)
@settings(max_examples=150, deadline=None)
def test_sqrt(fmt: Format, data: st.DataObject, rm: int) -> None:
    a = data.draw(numbers(fmt)) & ~fmt.sign | data.draw(st.sampled_from([0, 0, 0, fmt.sign]))
    check(ieee.sqrt(KINDS[fmt], rm, a), softfloat.sqrt, fmt, word(rm), word(a))


@FORMATS
@given(data=st.data(), rm=MODES)
@settings(max_examples=100, deadline=None)
def test_sqrt_of_a_square(fmt: Format, data: st.DataObject, rm: int) -> None:
    root = data.draw(numbers(fmt))
    square = (ieee.mul(KINDS[fmt], rm, root, root)[0] + data.draw(st.integers(-1, 1))) % fmt.sign
    check(ieee.sqrt(KINDS[fmt], rm, square), softfloat.sqrt, fmt, word(rm), word(square))


@pytest.mark.parametrize(("source", "fmt"), [(F32, F64), (F64, F32)], ids=["widen", "narrow"])
@given(data=st.data(), rm=MODES)
@settings(max_examples=100, deadline=None)
def test_reformat(source: Format, fmt: Format, data: st.DataObject, rm: int) -> None:
    a = data.draw(numbers(source))
    expected = ieee.reformat(KINDS[source], KINDS[fmt], rm, a)
    check(expected, floatconvert.reformat, source, fmt, word(rm), word(a))


@given(bits=st.integers(0, (1 << 64) - 1), cut=st.integers(0, 63), rm=MODES)
@settings(max_examples=150, deadline=None)
def test_narrowing_at_every_edge(bits: int, cut: int, rm: int) -> None:
    """Doubles around the least subnormal, least normal and greatest single-precision numbers."""
    sign, offset, fraction = bits >> 63, (bits >> 52) % 64 - 32, bits % (1 << 52) >> cut << cut
    for centre in (1023 - 149, 1023 - 126, 1023 + 127):
        a = sign << 63 | (centre + offset) << 52 | fraction % (1 << 52)
        expected = ieee.reformat(ieee.DOUBLE, ieee.SINGLE, rm, a)
        check(expected, floatconvert.reformat, F64, F32, word(rm), word(a))


INTEGERS = st.one_of(
    st.integers(0, (1 << 64) - 1),
    st.builds(
        lambda top, below, add: ((1 << top) - (1 << below) + add) % (1 << 64),
        st.integers(0, 64),
        st.integers(0, 63),
        st.integers(-2, 2),
    ),
)


@FORMATS
@pytest.mark.parametrize("is_signed", [True, False], ids=["signed", "unsigned"])
@given(number=INTEGERS, rm=MODES)
@settings(max_examples=100, deadline=None)
def test_from_integer(fmt: Format, is_signed: bool, number: int, rm: int) -> None:
    value = number - (number >> 63 << 64) if is_signed else number
    expected = ieee.from_integer(KINDS[fmt], rm, value)
    check(expected, floatconvert.from_integer, fmt, is_signed, word(rm), word(number))


@FORMATS
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("is_signed", [True, False], ids=["signed", "unsigned"])
@given(data=st.data(), rm=MODES)
@settings(max_examples=100, deadline=None)
def test_to_integer(fmt: Format, bits: int, is_signed: bool, data: st.DataObject, rm: int) -> None:
    near = st.builds(
        lambda value, nudge, sign: (
            ieee.from_integer(KINDS[fmt], rm, value)[0] + nudge | sign * fmt.sign
        ),
        INTEGERS,
        st.integers(0, 2),
        st.integers(0, 1),
    )
    a = data.draw(st.one_of(numbers(fmt), near))
    expected = ieee.to_integer(KINDS[fmt], bits, is_signed, rm, a)
    check(expected, floatconvert.to_integer, fmt, bits, is_signed, word(rm), word(a))


@FORMATS
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_comparisons_and_extremes(fmt: Format, data: st.DataObject) -> None:
    kind, a = KINDS[fmt], data.draw(numbers(fmt))
    b = data.draw(st.one_of(numbers(fmt), st.sampled_from([a, a ^ fmt.sign])))
    x, y = word(a), word(b)
    check(ieee.compare(kind, "eq", a, b), floatconvert.equal, fmt, x, y)
    check(ieee.compare(kind, "lt", a, b), floatconvert.less, fmt, x, y)
    check(ieee.compare(kind, "le", a, b), floatconvert.less_or_equal, fmt, x, y)
    check(ieee.extreme(kind, True, a, b), floatconvert.minimum, fmt, x, y)
    check(ieee.extreme(kind, False, a, b), floatconvert.maximum, fmt, x, y)


@FORMATS
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_classify(fmt: Format, data: st.DataObject) -> None:
    a = data.draw(numbers(fmt))
    assert int(floatconvert.classify(Bare(), fmt, word(a))) == ieee.classify(KINDS[fmt], a)


@FORMATS
def test_every_pair_of_special_operands(fmt: Format) -> None:
    """Zeros, infinities, both NaNs and the extremes, in every pair, operation and mode."""
    kind = KINDS[fmt]
    least_normal = 1 << fmt.mantissa
    sizes = [0, 1, least_normal - 1, least_normal, fmt.infinity - 1, fmt.infinity]
    sizes += [fmt.infinity + 1, fmt.nan, fmt.nan + 1, fmt.bias << fmt.mantissa]
    specials = [sign | size for sign in (0, fmt.sign) for size in sizes]
    for a in specials:
        for b in specials:
            for rm in range(5):
                for name in ("add", "sub", "mul", "div"):
                    expected = getattr(ieee, name)(kind, rm, a, b)
                    check(expected, getattr(softfloat, name), fmt, word(rm), word(a), word(b))
