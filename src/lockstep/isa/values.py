"""Bits: a fixed-width machine word, the value that semantics compute with in the reference engine.

Every operation wraps modulo 2**width. The native engines supply a twin with the same methods
(cpu/lower), so a semantic function means the same in both.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias


class Bits:
    """An unsigned integer of `width` bits. Immutable; operands must agree in width (ints adapt)."""

    __slots__ = ("mask", "value", "width")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, width: int, value: int) -> None:
        self.width = width
        self.mask = (1 << width) - 1
        self.value = value & self.mask

    def __repr__(self) -> str:
        return f"Bits({self.width}, {self.value:#x})"

    def _other(self, other: Bits | int) -> int:
        if isinstance(other, int):
            return other & self.mask
        assert other.width == self.width, f"width {self.width} meets width {other.width}"
        return other.value

    def _amount(self, other: Bits | int) -> int:
        amount = other if isinstance(other, int) else other.value
        assert 0 <= amount < self.width, f"shift by {amount} of {self.width} bits"
        return amount

    def _signed(self) -> int:
        return self.value - (self.mask + 1) if self.value >> (self.width - 1) else self.value

    def _other_signed(self, other: Bits | int) -> int:
        return Bits(self.width, self._other(other))._signed()

    # Arithmetic and logic.
    def __add__(self, other: Bits | int) -> Bits:
        return Bits(self.width, self.value + self._other(other))

    def __sub__(self, other: Bits | int) -> Bits:
        return Bits(self.width, self.value - self._other(other))

    def __mul__(self, other: Bits | int) -> Bits:
        return Bits(self.width, self.value * self._other(other))

    def __and__(self, other: Bits | int) -> Bits:
        return Bits(self.width, self.value & self._other(other))

    def __or__(self, other: Bits | int) -> Bits:
        return Bits(self.width, self.value | self._other(other))

    def __xor__(self, other: Bits | int) -> Bits:
        return Bits(self.width, self.value ^ self._other(other))

    __radd__, __rmul__, __rand__, __ror__, __rxor__ = __add__, __mul__, __and__, __or__, __xor__

    def __rsub__(self, other: int) -> Bits:
        return Bits(self.width, other - self.value)

    def __invert__(self) -> Bits:
        return Bits(self.width, ~self.value)

    def __neg__(self) -> Bits:
        return Bits(self.width, -self.value)

    def __lshift__(self, other: Bits | int) -> Bits:
        return Bits(self.width, self.value << self._amount(other))

    def __rshift__(self, other: Bits | int) -> Bits:
        return Bits(self.width, self.value >> self._amount(other))

    def __rlshift__(self, other: int) -> Bits:
        return Bits(self.width, other) << self

    def __floordiv__(self, other: Bits | int) -> Bits:
        return Bits(self.width, self.value // self._other(other))

    def __mod__(self, other: Bits | int) -> Bits:
        return Bits(self.width, self.value % self._other(other))

    def sdiv(self, other: Bits | int) -> Bits:
        """Signed division towards zero; no zero divisor, no overflow."""
        a, b = self._signed(), self._other_signed(other)
        quotient = abs(a) // abs(b)
        return Bits(self.width, quotient if (a < 0) == (b < 0) else -quotient)

    def srem(self, other: Bits | int) -> Bits:
        """Remainder of `sdiv`: takes the dividend's sign."""
        a, b = self._signed(), self._other_signed(other)
        return Bits(self.width, abs(a) % abs(b) if a >= 0 else -(abs(a) % abs(b)))

    def sra(self, amount: Bits | int) -> Bits:
        """Arithmetic shift right."""
        return Bits(self.width, self._signed() >> self._amount(amount))

    # Comparison: unsigned by operators, signed by name.
    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Bits | int)
        return self.value == self._other(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: Bits | int) -> bool:
        return self.value < self._other(other)

    def __le__(self, other: Bits | int) -> bool:
        return self.value <= self._other(other)

    def __gt__(self, other: Bits | int) -> bool:
        return self.value > self._other(other)

    def __ge__(self, other: Bits | int) -> bool:
        return self.value >= self._other(other)

    def slt(self, other: Bits | int) -> bool:
        return self._signed() < self._other_signed(other)

    def sle(self, other: Bits | int) -> bool:
        return self._signed() <= self._other_signed(other)

    def sgt(self, other: Bits | int) -> bool:
        return self._signed() > self._other_signed(other)

    def sge(self, other: Bits | int) -> bool:
        return self._signed() >= self._other_signed(other)

    def __bool__(self) -> bool:
        raise TypeError("a machine word is not a condition; compare it, e.g. `x != 0`")

    # Widths and fields.
    def zext(self, bits: int) -> Bits:
        """Keep the low `bits` bits, the rest zero; same width."""
        return Bits(self.width, self.value & ((1 << bits) - 1))

    def sext(self, bits: int) -> Bits:
        """Sign-extend the low `bits` bits over the whole width."""
        return Bits(self.width, Bits(bits, self.value)._signed())

    def to(self, width: int) -> Bits:
        """Change width: zero-extend or truncate."""
        return Bits(width, self.value)

    def sto(self, width: int) -> Bits:
        """Change width: sign-extend or truncate."""
        return Bits(width, self._signed())

    def bit(self, index: Bits | int) -> bool:
        return bool(self.value >> self._amount(index) & 1)

    def field(self, high: int, low: int) -> Bits:
        """Bits high..low, shifted down; same width."""
        return Bits(self.width, (self.value >> low) & ((1 << (high - low + 1)) - 1))

    # Counting.
    def clz(self) -> Bits:
        return Bits(self.width, self.width - self.value.bit_length())

    def ctz(self) -> Bits:
        low = self.value & -self.value
        return Bits(self.width, low.bit_length() - 1 if low else self.width)

    def popcount(self) -> Bits:
        return Bits(self.width, self.value.bit_count())

    def bswap(self) -> Bits:
        size = self.width // 8
        return Bits(self.width, int.from_bytes(self.value.to_bytes(size, "little"), "big"))

    def __int__(self) -> int:
        return self.value


Word: TypeAlias = Bits
"""What semantic functions annotate their dynamic values with."""


class WordArray(Protocol):
    """A register file: indexable by an operand."""

    def __getitem__(self, index: int) -> Word: ...

    def __setitem__(self, index: int, value: Word | int) -> None: ...
