"""IEEE 754 binary arithmetic in integers, written in the semantics dialect.

A finite operand is unpacked to (exponent, significand): the value is significand * 2**(exponent-63)
with bit 63 of the significand set, whatever the format; a zero has significand 0. Every operation
computes an exact result, or one whose lowest bit is sticky ("jammed": set if anything nonzero was
shifted out), and hands it to `round_pack`, the only place that rounds. Operations return
(result, exception flags); a NaN result is always the canonical one (Unpriv. 11.3).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from lockstep.isa.sem import Hart, outlined, sem
from lockstep.isa.values import Word


class Format(NamedTuple):
    """A binary interchange format: total width, exponent bits, stored significand bits."""

    width: int
    exponent: int
    mantissa: int

    @property
    def precision(self) -> int:
        """Significand bits including the implicit one."""
        return self.mantissa + 1

    @property
    def spare(self) -> int:
        """Bits of an unpacked significand below the format's last place."""
        return 64 - self.precision

    @property
    def bias(self) -> int:
        return (1 << (self.exponent - 1)) - 1

    @property
    def top(self) -> int:
        """The exponent field of infinities and NaNs."""
        return (1 << self.exponent) - 1

    @property
    def infinity(self) -> int:
        return self.top << self.mantissa

    @property
    def quiet(self) -> int:
        """The bit that tells quiet from signaling NaNs."""
        return 1 << (self.mantissa - 1)

    @property
    def nan(self) -> int:
        """The canonical NaN."""
        return self.infinity | self.quiet

    @property
    def sign(self) -> int:
        return 1 << (self.width - 1)


F32: Final = Format(32, 8, 23)
F64: Final = Format(64, 11, 52)

RNE, RTZ, RDN, RUP, RMM = range(5)  # rounding modes, as in frm
NX, UF, OF, DZ, NV = (1 << i for i in range(5))  # exception flags, as in fflags


@sem
def magnitude(s: Hart, fmt: Format, a: Word) -> Word:
    """`a` without its sign bit."""
    return a.zext(fmt.width - 1)


@sem
def negative(s: Hart, fmt: Format, a: Word) -> Word:
    """1 if the sign bit of `a` is set, else 0."""
    return a.field(fmt.width - 1, fmt.width - 1)


@sem
def is_nan(s: Hart, fmt: Format, a: Word) -> bool:
    return magnitude(s, fmt, a) > fmt.infinity


@sem
def is_signaling(s: Hart, fmt: Format, a: Word) -> bool:
    return magnitude(s, fmt, a) > fmt.infinity and magnitude(s, fmt, a) < fmt.nan


@sem
def invalid_if_signaling(s: Hart, fmt: Format, a: Word, b: Word) -> Word:
    """NV if either operand is a signaling NaN, else no flag."""
    return s.const(NV) if is_signaling(s, fmt, a) or is_signaling(s, fmt, b) else s.const(0)


@sem
def signed(s: Hart, fmt: Format, sign: Word, size: int | Word) -> Word:
    """The number of sign `sign` (0 or 1) whose other bits are `size`."""
    return (sign << (fmt.width - 1)) | size


@sem
def shift_right_jam(s: Hart, width: int, value: Word, amount: Word) -> Word:
    """value >> amount (any amount); the lowest bit is sticky."""
    by = (amount if amount < width else s.const(width - 1)).to(width)
    shifted = value >> by
    lost = s.const(0, width) if shifted << by == value else s.const(1, width)
    return shifted | lost


@sem
def unpack(s: Hart, fmt: Format, a: Word) -> tuple[Word, Word]:
    """(exponent, significand) of a finite number; subnormals come out normalised."""
    fraction = a.zext(fmt.mantissa)
    biased = a.field(fmt.width - 2, fmt.mantissa)
    if biased == 0:
        shift = (fraction | 1).clz()  # a zero stays zero, with the exponent of the least subnormal
        significand = fraction << shift
        exponent = (64 - fmt.bias - fmt.mantissa) - shift
    else:
        significand = (fraction | (1 << fmt.mantissa)) << (63 - fmt.mantissa)
        exponent = biased - fmt.bias
    return exponent, significand


@sem
def round_up(s: Hart, rm: Word, sign: Word, kept: Word, rest: Word, half: int) -> Word:
    """1 if `kept`, followed by the fraction `rest` (of which `half` is one half), rounds away."""
    even = rm == RNE and (rest > half or (rest == half and kept.bit(0)))
    away = rm == RMM and rest >= half
    outward = ((rm == RDN and sign == 1) or (rm == RUP and sign == 0)) and rest != 0
    return s.const(1) if even or away or outward else s.const(0)


@sem
def overflowed(s: Hart, fmt: Format, rm: Word, sign: Word) -> tuple[Word, Word]:
    """Infinity, or the largest number where `rm` points towards zero (IEEE 754 7.4)."""
    inward = rm == RTZ or (rm == RDN and sign == 0) or (rm == RUP and sign == 1)
    size = s.const(fmt.infinity - 1) if inward else s.const(fmt.infinity)
    return signed(s, fmt, sign, size), s.const(OF | NX)


@outlined
def round_pack(
    s: Hart, fmt: Format, rm: Word, sign: Word, exponent: Word, significand: Word
) -> tuple[Word, Word]:
    """Round a nonzero unpacked number. Tininess is detected after rounding (Unpriv. 11.2)."""
    half = 1 << (fmt.spare - 1)
    biased = exponent + fmt.bias
    below = biased - 1  # the implicit bit, added in, makes up for the 1
    tiny = s.const(0)
    if biased.sle(0):
        kept = significand >> fmt.spare
        kept = kept + round_up(s, rm, sign, kept, significand.zext(fmt.spare), half)
        if not (biased == 0 and kept == 1 << fmt.precision):
            tiny = s.const(UF)
        significand = shift_right_jam(s, 64, significand, 1 - biased)
        below = s.const(0)
    kept = significand >> fmt.spare
    rest = significand.zext(fmt.spare)
    size = (below << fmt.mantissa) + kept + round_up(s, rm, sign, kept, rest, half)
    if biased.sge(fmt.top) or size >= fmt.infinity:
        return overflowed(s, fmt, rm, sign)
    return signed(s, fmt, sign, size), s.const(0) if rest == 0 else tiny | NX


@sem
def zero_sum(s: Hart, fmt: Format, rm: Word, one: Word, other: Word) -> Word:
    """An exactly zero sum of terms with these signs (IEEE 754 6.3)."""
    unlike = s.const(1) if rm == RDN else s.const(0)
    return signed(s, fmt, one if one == other else unlike, 0)


@outlined
def add(s: Hart, fmt: Format, rm: Word, a: Word, b: Word) -> tuple[Word, Word]:
    """a + b. Three bits below the last place would do; both formats have more (`spare`)."""
    swap = magnitude(s, fmt, a) < magnitude(s, fmt, b)
    large = b if swap else a
    small = a if swap else b
    sign = negative(s, fmt, large)
    other = negative(s, fmt, small)
    if magnitude(s, fmt, large) >= fmt.infinity:
        if is_nan(s, fmt, large):
            return s.const(fmt.nan), invalid_if_signaling(s, fmt, a, b)
        if magnitude(s, fmt, small) == fmt.infinity and sign != other:
            return s.const(fmt.nan), s.const(NV)
        return large, s.const(0)
    exponent, term = unpack(s, fmt, large)
    lower, addend = unpack(s, fmt, small)
    term = term >> 1  # room for the carry
    addend = shift_right_jam(s, 64, addend >> 1, exponent - lower)
    total = term + addend if sign == other else term - addend
    if total == 0:
        return zero_sum(s, fmt, rm, sign, other), s.const(0)
    shift = total.clz()
    return round_pack(s, fmt, rm, sign, exponent + 1 - shift, total << shift)


@sem
def sub(s: Hart, fmt: Format, rm: Word, a: Word, b: Word) -> tuple[Word, Word]:
    """a - b."""
    return add(s, fmt, rm, a, b ^ fmt.sign)


@sem
def round_wide(
    s: Hart, fmt: Format, rm: Word, sign: Word, exponent: Word, wide: Word
) -> tuple[Word, Word]:
    """Round the nonzero wide * 2**(exponent-127), `wide` having 128 bits, normalised or not."""
    shift = wide.clz()
    wide = wide << shift
    sticky = s.const(0) if wide.to(64) == 0 else s.const(1)
    return round_pack(s, fmt, rm, sign, exponent - shift.to(64), (wide >> 64).to(64) | sticky)


@outlined
def mul(s: Hart, fmt: Format, rm: Word, a: Word, b: Word) -> tuple[Word, Word]:
    """a * b."""
    x = magnitude(s, fmt, a)
    y = magnitude(s, fmt, b)
    sign = negative(s, fmt, a ^ b)
    if x > fmt.infinity or y > fmt.infinity:
        return s.const(fmt.nan), invalid_if_signaling(s, fmt, a, b)
    if x == 0 or y == 0:
        if x == fmt.infinity or y == fmt.infinity:
            return s.const(fmt.nan), s.const(NV)
        return signed(s, fmt, sign, 0), s.const(0)
    if x == fmt.infinity or y == fmt.infinity:
        return signed(s, fmt, sign, fmt.infinity), s.const(0)
    ea, sa = unpack(s, fmt, a)
    eb, sb = unpack(s, fmt, b)
    return round_wide(s, fmt, rm, sign, ea + eb + 1, sa.to(128) * sb.to(128))


@sem
def fma_of_infinity(s: Hart, fmt: Format, sign: Word, c: Word) -> tuple[Word, Word]:
    """An infinite product of sign `sign`, plus c, which is not a NaN."""
    if magnitude(s, fmt, c) == fmt.infinity and negative(s, fmt, c) != sign:
        return s.const(fmt.nan), s.const(NV)
    return signed(s, fmt, sign, fmt.infinity), s.const(0)


@sem
def fma_of_finite(
    s: Hart, fmt: Format, rm: Word, sign: Word, a: Word, b: Word, c: Word
) -> tuple[Word, Word]:
    """a * b + c of finite numbers with a nonzero product, whose sign is `sign`.

    128 bits hold product and addend exactly unless they are too far apart to cancel.
    """
    ea, sa = unpack(s, fmt, a)
    eb, sb = unpack(s, fmt, b)
    ec, sc = unpack(s, fmt, c)
    other = negative(s, fmt, c)
    exponent = ea + eb + 1
    product = (sa.to(128) * sb.to(128)) >> 1
    addend = sc.to(128) << 63
    if exponent.slt(ec) and sc != 0:
        product = shift_right_jam(s, 128, product, ec - exponent)
        exponent = ec
    elif sc != 0:
        addend = shift_right_jam(s, 128, addend, exponent - ec)
    total = product + addend
    if sign != other:
        total = product - addend if product >= addend else addend - product
        sign = sign if product >= addend else other
    if total == 0:
        return zero_sum(s, fmt, rm, 1 - other, other), s.const(0)
    return round_wide(s, fmt, rm, sign, exponent + 1, total)


@outlined
def fma(s: Hart, fmt: Format, rm: Word, a: Word, b: Word, c: Word) -> tuple[Word, Word]:
    """a * b + c, rounded once."""
    x = magnitude(s, fmt, a)
    y = magnitude(s, fmt, b)
    z = magnitude(s, fmt, c)
    sign = negative(s, fmt, a ^ b)
    # Unpriv. 11.6: infinity times zero is invalid even when the addend is a quiet NaN.
    if (x == 0 and y == fmt.infinity) or (x == fmt.infinity and y == 0):
        return s.const(fmt.nan), s.const(NV)
    if x > fmt.infinity or y > fmt.infinity or z > fmt.infinity:
        return s.const(fmt.nan), invalid_if_signaling(s, fmt, a, b) | invalid_if_signaling(
            s, fmt, c, c
        )
    if x == fmt.infinity or y == fmt.infinity:
        return fma_of_infinity(s, fmt, sign, c)
    if z == fmt.infinity:
        return c, s.const(0)
    if x == 0 or y == 0:
        if z == 0:
            return zero_sum(s, fmt, rm, sign, negative(s, fmt, c)), s.const(0)
        return c, s.const(0)
    return fma_of_finite(s, fmt, rm, sign, a, b, c)


@outlined
def div(s: Hart, fmt: Format, rm: Word, a: Word, b: Word) -> tuple[Word, Word]:
    """a / b."""
    x = magnitude(s, fmt, a)
    y = magnitude(s, fmt, b)
    sign = negative(s, fmt, a ^ b)
    if x > fmt.infinity or y > fmt.infinity:
        return s.const(fmt.nan), invalid_if_signaling(s, fmt, a, b)
    if (x == 0 and y == 0) or (x == fmt.infinity and y == fmt.infinity):
        return s.const(fmt.nan), s.const(NV)
    if x == 0 or y == fmt.infinity:
        return signed(s, fmt, sign, 0), s.const(0)
    if x == fmt.infinity:
        return signed(s, fmt, sign, fmt.infinity), s.const(0)
    if y == 0:
        return signed(s, fmt, sign, fmt.infinity), s.const(DZ)
    ea, sa = unpack(s, fmt, a)
    eb, sb = unpack(s, fmt, b)
    # Long division, `spare` bits a digit: the remainder is below the divisor, of `precision` bits,
    # so remainder << spare fits. Two bits more than the precision are enough before the sticky one.
    rest = sa >> fmt.spare
    divisor = sb >> fmt.spare
    digits = -(-(fmt.precision + 2) // fmt.spare)
    quotient = s.const(0)
    for _ in range(digits):
        rest = rest << fmt.spare
        quotient = (quotient << fmt.spare) + rest // divisor
        rest = rest % divisor
    shift = quotient.clz()
    significand = (quotient << shift) | (0 if rest == 0 else 1)
    return round_pack(s, fmt, rm, sign, ea - eb + (63 - digits * fmt.spare) - shift, significand)


@outlined
def sqrt(s: Hart, fmt: Format, rm: Word, a: Word) -> tuple[Word, Word]:
    """The square root, digit by digit: `rest` is the (scaled) radicand less root**2."""
    if is_nan(s, fmt, a):
        return s.const(fmt.nan), invalid_if_signaling(s, fmt, a, a)
    if magnitude(s, fmt, a) == 0:
        return a, s.const(0)
    if negative(s, fmt, a) == 1:
        return s.const(fmt.nan), s.const(NV)
    if a == fmt.infinity:
        return a, s.const(0)
    exponent, significand = unpack(s, fmt, a)
    unit = fmt.precision + 1  # the root is found to two bits more than the precision
    rest = (significand >> (63 - unit)) << exponent.zext(1)
    root = s.const(0)
    twice = s.const(0)
    digit = s.const(1 << unit)
    while digit != 0:
        trial = twice + digit
        if trial <= rest:
            rest = rest - trial
            twice = trial + digit
            root = root + digit
        rest = rest << 1
        digit = digit >> 1
    root = (root << (63 - unit)) | (0 if rest == 0 else 1)
    return round_pack(s, fmt, rm, s.const(0), exponent.sra(1), root)
