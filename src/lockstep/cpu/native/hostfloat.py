"""Floating point on the host's FPU, wherever that is provably what the isa's integers compute.

Each function here stands in front of one of isa/softfloat or isa/floatconvert and returns (sure,
result, flags). Where it is not sure the integers do the work: NaNs, infinities, most subnormals,
results near the ends of the range, and other rounding modes than the usual one. What it is sure of
rests on IEEE 754 alone: the host rounds to nearest, ties to even, and the numbers are so far from
underflow and overflow that neither happens on the way, nor can it be seen whether the host takes
subnormal numbers for zero.

Inexact is a sticky flag. While the guest has it set, as it nearly always has, nothing is computed
to find it.

Rejected: the host's own exception flags (slow to read, and another register on every host); singles
computed in double precision (a fused product would be rounded twice, and the rest gains nothing);
error terms of products by fused multiply-add (not every host has it, and integers do as well).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from llvmlite import binding as llvm

from lockstep.cpu.native.hostnumber import Number
from lockstep.isa import floatconvert, softfloat
from lockstep.isa.sem import Hart, sem
from lockstep.isa.softfloat import NX, RNE, RTZ, Format, magnitude
from lockstep.isa.values import Word

Quick = tuple[bool, Word, Word | int]


# What can be said of a number by its bits.


@sem
def exponent(s: Hart, fmt: Format, a: Word) -> Word:
    """The biased exponent."""
    return a.field(fmt.width - 2, fmt.mantissa)


@sem
def is_between(s: Hart, fmt: Format, least: int, most: int, a: Word) -> bool:
    """Whether the biased exponent is one of least .. most."""
    return exponent(s, fmt, a) - least <= most - least


@sem
def is_zero(s: Hart, fmt: Format, a: Word) -> bool:
    """Of a result, LLVM may ask the host's FPU; where it matters none is subnormal."""
    return magnitude(s, fmt, a) == 0


@sem
def is_finite(s: Hart, fmt: Format, a: Word) -> bool:
    return is_between(s, fmt, 0, fmt.top - 1, a)


@sem
def is_normal(s: Hart, fmt: Format, a: Word) -> bool:
    return is_between(s, fmt, 1, fmt.top - 1, a)


@sem
def is_safe(s: Hart, fmt: Format, a: Word) -> bool:
    """Of a result: finite, and so large that what is lost in rounding is normal, if anything is.

    Nor did it matter if the host took a subnormal operand for zero: added to such a number it is
    less than a quarter of the last place, and multiplied or divided it would have made no such one.
    """
    return is_between(s, fmt, fmt.precision + 4, fmt.top - 1, a)


@sem
def is_subnormal(s: Hart, fmt: Format, a: Word) -> bool:
    return magnitude(s, fmt, a) - 1 < (1 << fmt.mantissa) - 1


@sem
def significand(s: Hart, fmt: Format, a: Word) -> Word:
    """That of a normal number, as an integer of `precision` bits."""
    return a.zext(fmt.mantissa) | (1 << fmt.mantissa)


# Whether a rounded result is the exact one.


@sem
def inexact(s: Hart, exact: bool) -> Word:
    """The flags of a result that is exact or is not."""
    return s.const(0) if exact else s.const(NX)


@sem
def already_inexact(s: Hart) -> bool:
    """Whether the flag is set and need not be found."""
    return s.fcsr.bit(0)


@sem
def is_sum(s: Hart, fmt: Format, x: Number, y: Number, total: Number) -> bool:
    """Whether `total`, rounded and safe, is x + y.

    The difference from the larger term is exact (Dekker 1971), so it is the smaller one if and only
    if nothing was lost; and then so is the other difference. Signs are left out for the sake of -0:
    an error of minus twice the smaller term is more than rounding makes.
    """
    rest_y = magnitude(s, fmt, (total - x).word ^ y.word)
    rest_x = magnitude(s, fmt, (total - y).word ^ x.word)
    return rest_x | rest_y == 0


@sem
def is_product(s: Hart, fmt: Format, x: Word, y: Word, z: Word) -> bool:
    """Whether z = x * y, of normal numbers: z is x * y rounded, or x is z / y or the root of z.

    Significands are integers. Their product and the aligned z, of twice the precision, differ by
    less than 2**precision, so that 64 bits tell whether they are equal. The shift is `mantissa` or
    one more.
    """
    shift = exponent(s, fmt, z) - exponent(s, fmt, x) - exponent(s, fmt, y)
    aligned = significand(s, fmt, z) << (shift + (fmt.bias + fmt.mantissa))
    return significand(s, fmt, x) * significand(s, fmt, y) == aligned


@sem
def sum_error(s: Hart, x: Number, y: Number, total: Number) -> Number:
    """x + y - total, exactly, short of overflow (Knuth's 2Sum)."""
    y_part = total - x
    return (x - (total - y_part)) + (y - y_part)


@sem
def is_fused(s: Hart, x: Number, y: Number, z: Number, total: Number) -> bool:
    """Whether total, x * y + z rounded, is that exactly: Boldo and Muller's ErrFma (2011).

    The error is the sum of `error` and `lower`, which is 0 only if one is minus the other.
    """
    product = x * y
    low = x.times_plus(y, -product)
    middle = z + low
    lower = sum_error(s, z, low, middle)
    high = product + middle
    error = (high - total) + sum_error(s, product, middle, high)
    return is_zero(s, x.fmt, (error + lower).word)


# The operations.


@sem
def add(s: Hart, fmt: Format, rm: Word, a: Word, b: Word) -> Quick:
    """softfloat.add."""
    x, y = Number.of(fmt, a), Number.of(fmt, b)
    total = x + y
    result = total.word
    usual = rm == RNE
    if usual and is_safe(s, fmt, result):
        if already_inexact(s):
            return True, result, 0
        return True, result, inexact(s, is_sum(s, fmt, x, y, total))
    terms_cancel = a ^ b == fmt.sign or is_zero(s, fmt, a | b)
    return usual and is_zero(s, fmt, result) and terms_cancel, result, 0


@sem
def mul(s: Hart, fmt: Format, rm: Word, a: Word, b: Word) -> Quick:
    """softfloat.mul."""
    result = (Number.of(fmt, a) * Number.of(fmt, b)).word
    usual = rm == RNE
    if usual and is_safe(s, fmt, result):
        if already_inexact(s):
            return True, result, 0
        normal = is_normal(s, fmt, a) and is_normal(s, fmt, b)
        return normal, result, inexact(s, is_product(s, fmt, a, b, result))
    factor_is_zero = is_zero(s, fmt, a) or is_zero(s, fmt, b)
    return usual and is_zero(s, fmt, result) and factor_is_zero, result, 0


@sem
def div(s: Hart, fmt: Format, rm: Word, a: Word, b: Word) -> Quick:
    """softfloat.div."""
    result = (Number.of(fmt, a) / Number.of(fmt, b)).word
    usual = rm == RNE
    if usual and is_safe(s, fmt, result):
        if already_inexact(s):
            return True, result, 0
        normal = is_normal(s, fmt, a) and is_normal(s, fmt, b)
        return normal, result, inexact(s, is_product(s, fmt, result, b, a))
    return usual and is_zero(s, fmt, result) and is_zero(s, fmt, a), result, 0


@sem
def sqrt(s: Hart, fmt: Format, rm: Word, a: Word) -> Quick:
    """softfloat.sqrt."""
    result = Number.of(fmt, a).root().word
    usual = rm == RNE
    if usual and is_safe(s, fmt, result):
        if already_inexact(s):
            return True, result, 0
        exact = is_product(s, fmt, result, result, a)
        return is_normal(s, fmt, a), result, inexact(s, exact)
    return usual and is_zero(s, fmt, a), a, 0


@sem
def fma(s: Hart, fmt: Format, rm: Word, a: Word, b: Word, c: Word) -> Quick:
    """softfloat.fma."""
    x, y, z = Number.of(fmt, a), Number.of(fmt, b), Number.of(fmt, c)
    total = x.times_plus(y, z)
    result = total.word
    least, most = 2 * fmt.precision + 4, fmt.top - 4  # all terms of the error are normal or 0
    product_fits = is_between(s, fmt, least, most, (x * y).word)
    addend_fits = is_between(s, fmt, least, most, c) or is_zero(s, fmt, c)
    if rm == RNE and is_safe(s, fmt, result) and product_fits and addend_fits:
        if already_inexact(s):
            return True, result, 0
        return True, result, inexact(s, is_fused(s, x, y, z, total))
    product_is_zero = is_zero(s, fmt, a) or is_zero(s, fmt, b)
    exact = product_is_zero and not is_subnormal(s, fmt, c) and is_finite(s, fmt, result)
    return rm == RNE and exact, result, 0


# Comparisons. A strict order of the host's is true even if it took subnormals for zero.


@sem
def compare(s: Hart, fmt: Format, a: Word, b: Word, holds: bool) -> Quick:
    """A relation that `holds` by the host."""
    x, y = Number.of(fmt, a), Number.of(fmt, b)
    alike = a == b or is_zero(s, fmt, a | b)
    result = s.const(1) if holds else s.const(0)
    return x.differs(y) or (x.same(y) and alike), result, 0


@sem
def equal(s: Hart, fmt: Format, a: Word, b: Word) -> Quick:
    """floatconvert.equal."""
    return compare(s, fmt, a, b, Number.of(fmt, a).same(Number.of(fmt, b)))


@sem
def less(s: Hart, fmt: Format, a: Word, b: Word) -> Quick:
    """floatconvert.less."""
    return compare(s, fmt, a, b, Number.of(fmt, a) < Number.of(fmt, b))


@sem
def less_or_equal(s: Hart, fmt: Format, a: Word, b: Word) -> Quick:
    """floatconvert.less_or_equal."""
    return compare(s, fmt, a, b, Number.of(fmt, a) <= Number.of(fmt, b))


@sem
def minimum(s: Hart, fmt: Format, a: Word, b: Word) -> Quick:
    """floatconvert.minimum."""
    x, y = Number.of(fmt, a), Number.of(fmt, b)
    return x.differs(y) or (x.same(y) and a == b), a if x < y else b, 0


@sem
def maximum(s: Hart, fmt: Format, a: Word, b: Word) -> Quick:
    """floatconvert.maximum."""
    x, y = Number.of(fmt, a), Number.of(fmt, b)
    return x.differs(y) or (x.same(y) and a == b), b if x < y else a, 0


# Conversions.


@sem
def reformat(s: Hart, source: Format, fmt: Format, rm: Word, a: Word) -> Quick:
    """floatconvert.reformat."""
    number = Number.of(source, a).in_format(fmt)
    result = number.word
    if fmt.width > source.width:  # exact in every rounding mode
        return is_normal(s, source, a) or is_zero(s, source, a), result, 0
    if rm == RNE and is_safe(s, fmt, result):
        if already_inexact(s):
            return True, result, 0
        return True, result, inexact(s, number.in_format(source).word == a)
    return is_zero(s, source, a), result, 0


@sem
def from_integer(s: Hart, fmt: Format, is_signed: bool, rm: Word, a: Word) -> Quick:
    """floatconvert.from_integer. The host's conversions are of signed integers."""
    result = Number.nearest(fmt, a).word
    sure = rm == RNE and (is_signed or not a.bit(63))
    if already_inexact(s):
        return sure, result, 0
    size = -a if a.bit(63) else a
    odd = size >> (size | 1 << 63).ctz()
    return sure, result, inexact(s, odd < 1 << fmt.precision)


@sem
def to_integer(s: Hart, fmt: Format, bits: int, is_signed: bool, rm: Word, a: Word) -> Quick:
    """floatconvert.to_integer, of what is cut off and in range of both kinds of integer."""
    size = magnitude(s, fmt, a) if is_signed else a  # where no sign is wanted, one is out of range
    limit = fmt.bias + (bits - 1 if is_signed else min(bits, 63)) << fmt.mantissa
    if rm == RTZ and size < limit:
        whole = Number.of(fmt, a).whole()
        exact = is_zero(s, fmt, Number.nearest(fmt, whole).word ^ a)
        return True, whole.sext(bits), inexact(s, exact)
    return False, a, 0


_QUICK: Final[dict[Any, Callable[..., Any]]] = {
    inspect.unwrap(slow): quick
    for slow, quick in (
        (softfloat.add, add),
        (softfloat.mul, mul),
        (softfloat.div, div),
        (softfloat.sqrt, sqrt),
        (softfloat.fma, fma),
        (floatconvert.equal, equal),
        (floatconvert.less, less),
        (floatconvert.less_or_equal, less_or_equal),
        (floatconvert.minimum, minimum),
        (floatconvert.maximum, maximum),
        (floatconvert.reformat, reformat),
        (floatconvert.from_integer, from_integer),
        (floatconvert.to_integer, to_integer),
    )
}


def quick_version(function: Callable[..., Any]) -> Callable[..., Quick] | None:
    """What stands in front of a semantic function, if anything does."""
    quick = _QUICK.get(function)
    return None if quick is fma and not _host_fuses() else quick


@cache
def _host_fuses() -> bool:
    """Whether fma is an instruction of the host: LLVM would call a libm, whose word is no law."""
    always = llvm.get_default_triple().startswith(("aarch64", "arm64"))
    return bool(llvm.get_host_cpu_features().get("fma", always))
