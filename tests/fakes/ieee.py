"""IEEE 754 as the standard says it: exact rational arithmetic, then one rounding. Slow and plain.

Numbers are (format, bits); every operation returns (result bits, flags) as RISC-V defines them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

RNE, RTZ, RDN, RUP, RMM = range(5)
NX, UF, OF, DZ, NV = 1, 2, 4, 8, 16


@dataclass(frozen=True)
class Kind:
    width: int
    precision: int

    @property
    def emax(self) -> int:
        return (1 << (self.width - self.precision - 1)) - 1

    @property
    def emin(self) -> int:
        return 1 - self.emax

    @property
    def inf(self) -> int:
        return (2 * self.emax + 1) << (self.precision - 1)

    @property
    def nan(self) -> int:
        return self.inf | 1 << (self.precision - 2)

    @property
    def minus(self) -> int:
        return 1 << (self.width - 1)

    def sign(self, a: int) -> int:
        return a >> (self.width - 1)

    def is_nan(self, a: int) -> bool:
        return a & ~self.minus > self.inf

    def is_snan(self, a: int) -> bool:
        return self.is_nan(a) and not a >> (self.precision - 2) & 1

    def is_inf(self, a: int) -> bool:
        return a & ~self.minus == self.inf

    def value(self, a: int) -> Fraction:
        size = a & ~self.minus
        exponent, fraction = size >> (self.precision - 1), size % (1 << (self.precision - 1))
        if exponent:
            fraction += 1 << (self.precision - 1)
        scale = Fraction(2) ** (max(exponent, 1) - self.emax - self.precision + 1)
        return -fraction * scale if self.sign(a) else fraction * scale


SINGLE, DOUBLE = Kind(32, 24), Kind(64, 53)


def to_whole(value: Fraction, rm: int) -> int:
    """`value` rounded to an integer."""
    if rm == RNE:
        return round(value)
    if rm == RTZ:
        return math.trunc(value)
    if rm == RDN:
        return math.floor(value)
    if rm == RUP:
        return math.ceil(value)
    size = math.floor(abs(value) + Fraction(1, 2))
    return -size if value < 0 else size


def at_quantum(value: Fraction, exponent: int, rm: int) -> Fraction:
    quantum = Fraction(2) ** exponent
    return to_whole(value / quantum, rm) * quantum


def log2(value: Fraction) -> int:
    """floor(log2(value))."""
    guess = value.numerator.bit_length() - value.denominator.bit_length()
    return guess if Fraction(2) ** guess <= value else guess - 1


def rounded(kind: Kind, rm: int, value: Fraction) -> tuple[int, int]:
    """A nonzero rational in `kind`."""
    sign = kind.minus if value < 0 else 0
    exponent = log2(abs(value))
    unbounded = at_quantum(value, exponent - kind.precision + 1, rm)
    result = at_quantum(value, max(exponent, kind.emin) - kind.precision + 1, rm)
    if abs(unbounded) >= Fraction(2) ** (kind.emax + 1):
        inward = rm == RTZ or (rm == RDN and not sign) or (rm == RUP and sign)
        return sign | (kind.inf - 1 if inward else kind.inf), OF | NX
    flags = NX if result != value else 0
    if flags and abs(unbounded) < Fraction(2) ** kind.emin:
        flags |= UF
    return sign | exact(kind, abs(result)), flags


def exact(kind: Kind, value: Fraction) -> int:
    """The bits of a representable non-negative number."""
    if value == 0:
        return 0
    exponent = max(log2(value), kind.emin)
    whole = value / Fraction(2) ** (exponent - kind.precision + 1)
    assert whole.denominator == 1
    return ((exponent + kind.emax - 1) << (kind.precision - 1)) + int(whole)


def nan_of(kind: Kind, *operands: int) -> tuple[int, int]:
    return kind.nan, NV if any(kind.is_snan(a) for a in operands) else 0


def fma(kind: Kind, rm: int, a: int, b: int, c: int) -> tuple[int, int]:
    infinite, zero = kind.is_inf(a) or kind.is_inf(b), 0 in (a & ~kind.minus, b & ~kind.minus)
    if infinite and zero and not kind.is_nan(a) and not kind.is_nan(b):
        return kind.nan, NV
    if any(map(kind.is_nan, (a, b, c))):
        return nan_of(kind, a, b, c)
    sign = kind.sign(a) ^ kind.sign(b)
    if infinite:
        if kind.is_inf(c) and kind.sign(c) != sign:
            return kind.nan, NV
        return kind.inf | kind.minus * sign, 0
    if kind.is_inf(c):
        return c, 0
    return total(kind, rm, (sign, kind.value(a) * kind.value(b)), (kind.sign(c), kind.value(c)))


def total(
    kind: Kind, rm: int, one: tuple[int, Fraction], two: tuple[int, Fraction]
) -> tuple[int, int]:
    """The sum of two finite terms given as (sign, value)."""
    if one[1] + two[1] != 0:
        return rounded(kind, rm, one[1] + two[1])
    sign = one[0] if one[0] == two[0] else int(rm == RDN)
    return kind.minus * sign, 0


def add(kind: Kind, rm: int, a: int, b: int) -> tuple[int, int]:
    if kind.is_nan(a) or kind.is_nan(b):
        return nan_of(kind, a, b)
    if kind.is_inf(a) and kind.is_inf(b) and a != b:
        return kind.nan, NV
    if kind.is_inf(a) or kind.is_inf(b):
        return (a if kind.is_inf(a) else b), 0
    return total(kind, rm, (kind.sign(a), kind.value(a)), (kind.sign(b), kind.value(b)))


def sub(kind: Kind, rm: int, a: int, b: int) -> tuple[int, int]:
    return add(kind, rm, a, b if kind.is_nan(b) else b ^ kind.minus)


def mul(kind: Kind, rm: int, a: int, b: int) -> tuple[int, int]:
    if kind.is_nan(a) or kind.is_nan(b):
        return nan_of(kind, a, b)
    sign = (a ^ b) & kind.minus
    if kind.is_inf(a) or kind.is_inf(b):
        return (kind.nan, NV) if 0 in (a & ~kind.minus, b & ~kind.minus) else (kind.inf | sign, 0)
    value = kind.value(a) * kind.value(b)
    return rounded(kind, rm, value) if value else (sign, 0)


def div(kind: Kind, rm: int, a: int, b: int) -> tuple[int, int]:
    if kind.is_nan(a) or kind.is_nan(b):
        return nan_of(kind, a, b)
    sign = (a ^ b) & kind.minus
    if kind.is_inf(a):
        return (kind.nan, NV) if kind.is_inf(b) else (kind.inf | sign, 0)
    if kind.is_inf(b):
        return sign, 0
    if kind.value(b) == 0:
        return (kind.nan, NV) if kind.value(a) == 0 else (kind.inf | sign, DZ)
    value = kind.value(a) / kind.value(b)
    return rounded(kind, rm, value) if value else (sign, 0)


def sqrt(kind: Kind, rm: int, a: int) -> tuple[int, int]:
    if kind.is_nan(a):
        return nan_of(kind, a)
    if a in (0, kind.minus, kind.inf):
        return a, 0
    if kind.sign(a):
        return kind.nan, NV
    scaled = kind.value(a) * 4**1400  # an integer, of far more than twice the precision
    root = math.isqrt(int(scaled))
    doubled = 2 * root + (root * root != scaled)  # a root between two is as good as any other
    return rounded(kind, rm, Fraction(doubled, 2 * 2**1400))


def reformat(source: Kind, kind: Kind, rm: int, a: int) -> tuple[int, int]:
    if source.is_nan(a):
        return kind.nan, NV if source.is_snan(a) else 0
    sign = source.sign(a) * kind.minus
    if source.is_inf(a):
        return kind.inf | sign, 0
    return rounded(kind, rm, source.value(a)) if source.value(a) else (sign, 0)


def from_integer(kind: Kind, rm: int, number: int) -> tuple[int, int]:
    return rounded(kind, rm, Fraction(number)) if number else (0, 0)


def to_integer(kind: Kind, bits: int, is_signed: bool, rm: int, a: int) -> tuple[int, int]:
    """As a 64-bit register holds it."""
    least, most = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if is_signed else (0, (1 << bits) - 1)
    if kind.is_nan(a) or kind.is_inf(a):
        whole, flags = (least if kind.sign(a) and not kind.is_nan(a) else most), NV
    else:
        whole = to_whole(kind.value(a), rm)
        flags = NX if whole != kind.value(a) else 0
        if not least <= whole <= most:
            whole, flags = (least if whole < 0 else most), NV
    if whole >> (bits - 1) & 1:
        whole |= -1 << bits
    return whole % (1 << 64), flags


def compare(kind: Kind, relation: str, a: int, b: int) -> tuple[int, int]:
    if kind.is_nan(a) or kind.is_nan(b):
        quiet = relation == "eq" and not (kind.is_snan(a) or kind.is_snan(b))
        return 0, 0 if quiet else NV
    x, y = order(kind, a), order(kind, b)
    return int({"eq": x == y, "lt": x < y, "le": x <= y}[relation]), 0


def order(kind: Kind, a: int) -> Fraction:
    if kind.is_inf(a):
        return Fraction((-1 if kind.sign(a) else 1) * 4**kind.emax)
    return kind.value(a)


def extreme(kind: Kind, smallest: bool, a: int, b: int) -> tuple[int, int]:
    """minimumNumber, maximumNumber."""
    flags = nan_of(kind, a, b)[1]
    numbers = [n for n in (a, b) if not kind.is_nan(n)]
    if not numbers:
        return kind.nan, flags
    numbers.sort(key=lambda n: (order(kind, n), -kind.sign(n)))
    return numbers[0 if smallest else -1], flags


def classify(kind: Kind, a: int) -> int:
    size = a & ~kind.minus
    if kind.is_nan(a):
        return 1 << (8 if kind.is_snan(a) else 9)
    edges = [size == 0, size < 1 << (kind.precision - 1), size < kind.inf, True]
    distance = edges.index(True)
    return 1 << (3 - distance if kind.sign(a) else 4 + distance)
