"""Floating-point comparison, classification and conversion; arithmetic and rounding: softfloat."""

from __future__ import annotations

from lockstep.isa.sem import Hart, outlined, sem
from lockstep.isa.softfloat import (
    NV,
    NX,
    Format,
    invalid_if_signaling,
    is_nan,
    is_signaling,
    magnitude,
    negative,
    round_pack,
    round_up,
    shift_right_jam,
    signed,
    unpack,
)
from lockstep.isa.values import Word


@sem
def rank(s: Hart, fmt: Format, a: Word) -> Word:
    """Unsigned numbers in the order of the numbers they stand for, -0 just below +0."""
    return magnitude(s, fmt, ~a) if negative(s, fmt, a) == 1 else a | fmt.sign


@sem
def both_zero(s: Hart, fmt: Format, a: Word, b: Word) -> bool:
    return magnitude(s, fmt, a | b) == 0


@outlined
def equal(s: Hart, fmt: Format, a: Word, b: Word) -> tuple[Word, Word]:
    """a == b; a quiet comparison: only signaling NaNs are invalid."""
    if is_nan(s, fmt, a) or is_nan(s, fmt, b):
        return s.const(0), invalid_if_signaling(s, fmt, a, b)
    same = a == b or both_zero(s, fmt, a, b)
    return s.const(1) if same else s.const(0), s.const(0)


@outlined
def less(s: Hart, fmt: Format, a: Word, b: Word) -> tuple[Word, Word]:
    """a < b; a signaling comparison: any NaN is invalid."""
    if is_nan(s, fmt, a) or is_nan(s, fmt, b):
        return s.const(0), s.const(NV)
    below = rank(s, fmt, a) < rank(s, fmt, b) and not both_zero(s, fmt, a, b)
    return s.const(1) if below else s.const(0), s.const(0)


@outlined
def less_or_equal(s: Hart, fmt: Format, a: Word, b: Word) -> tuple[Word, Word]:
    """a <= b; a signaling comparison: any NaN is invalid."""
    if is_nan(s, fmt, a) or is_nan(s, fmt, b):
        return s.const(0), s.const(NV)
    within = rank(s, fmt, a) <= rank(s, fmt, b) or both_zero(s, fmt, a, b)
    return s.const(1) if within else s.const(0), s.const(0)


@sem
def choose(s: Hart, fmt: Format, a: Word, b: Word, take_a: bool) -> tuple[Word, Word]:
    """IEEE 754-2019 9.6 minimumNumber, maximumNumber: a number is preferred to any NaN."""
    number = a if is_nan(s, fmt, b) or (take_a and not is_nan(s, fmt, a)) else b
    result = s.const(fmt.nan) if is_nan(s, fmt, a) and is_nan(s, fmt, b) else number
    return result, invalid_if_signaling(s, fmt, a, b)


@outlined
def minimum(s: Hart, fmt: Format, a: Word, b: Word) -> tuple[Word, Word]:
    """The smaller number; -0 is smaller than +0 (Unpriv. 11.6)."""
    return choose(s, fmt, a, b, rank(s, fmt, a) < rank(s, fmt, b))


@outlined
def maximum(s: Hart, fmt: Format, a: Word, b: Word) -> tuple[Word, Word]:
    """The larger number; +0 is larger than -0."""
    return choose(s, fmt, a, b, rank(s, fmt, a) > rank(s, fmt, b))


@outlined
def classify(s: Hart, fmt: Format, a: Word) -> Word:
    """The mask of FCLASS (Unpriv. 11.9)."""
    size = magnitude(s, fmt, a)
    if size > fmt.infinity:
        return s.const(1 << 8) if is_signaling(s, fmt, a) else s.const(1 << 9)
    # Distance from zero: 0 zero, 1 subnormal, 2 normal, 3 infinity.
    kind = s.const(3) if size == fmt.infinity else s.const(2)
    kind = s.const(1) if size < 1 << fmt.mantissa else kind
    kind = s.const(0) if size == 0 else kind
    return s.const(1) << (3 - kind if negative(s, fmt, a) == 1 else 4 + kind)


@outlined
def reformat(s: Hart, source: Format, fmt: Format, rm: Word, a: Word) -> tuple[Word, Word]:
    """A number of format `source` in format `fmt`."""
    size = magnitude(s, source, a)
    sign = negative(s, source, a)
    if size > source.infinity:
        return s.const(fmt.nan), invalid_if_signaling(s, source, a, a)
    if size == source.infinity:
        return signed(s, fmt, sign, fmt.infinity), s.const(0)
    if size == 0:
        return signed(s, fmt, sign, 0), s.const(0)
    exponent, significand = unpack(s, source, a)
    return round_pack(s, fmt, rm, sign, exponent, significand)


@outlined
def from_magnitude(s: Hart, fmt: Format, rm: Word, sign: Word, size: Word) -> tuple[Word, Word]:
    """The integer of sign `sign` (0 or 1) and absolute value `size`."""
    if size == 0:
        return s.const(0), s.const(0)
    shift = size.clz()
    return round_pack(s, fmt, rm, sign, 63 - shift, size << shift)


@sem
def from_integer(s: Hart, fmt: Format, is_signed: bool, rm: Word, a: Word) -> tuple[Word, Word]:
    """The 64-bit integer `a`, taken as signed or unsigned."""
    if is_signed:
        return from_magnitude(s, fmt, rm, a >> 63, -a if a.bit(63) else a)
    return from_magnitude(s, fmt, rm, s.const(0), a)


@outlined
def to_integer(
    s: Hart, fmt: Format, bits: int, is_signed: bool, rm: Word, a: Word
) -> tuple[Word, Word]:
    """`a` as an integer of `bits` bits, sign-extended; saturates (Unpriv. 11.7, table 30)."""
    sign = s.const(0) if is_nan(s, fmt, a) else negative(s, fmt, a)
    least = 1 << (bits - 1) if is_signed else 0  # absolute value of the least integer
    most = (1 << (bits - 1)) - 1 if is_signed else (1 << bits) - 1
    limit = s.const(most) if sign == 0 else s.const(least)
    exponent, significand = unpack(s, fmt, a)
    if exponent.sgt(63):  # also infinities and NaNs
        return saturated(s, bits, sign, limit)
    fixed = shift_right_jam(s, 128, significand.to(128) << 64, 63 - exponent)
    whole = (fixed >> 64).to(64)
    rest = fixed.to(64)
    # No carry out: a significand that reaches bit 63 of `whole` leaves no fraction.
    whole = whole + round_up(s, rm, sign, whole, rest, 1 << 63)
    if whole > limit:
        return saturated(s, bits, sign, limit)
    result = whole if sign == 0 else -whole
    return result.sext(bits), s.const(0) if rest == 0 else s.const(NX)


@sem
def saturated(s: Hart, bits: int, sign: Word, limit: Word) -> tuple[Word, Word]:
    """The integer nearest to one out of range, and NV alone."""
    return (limit if sign == 0 else -limit).sext(bits), s.const(NV)
