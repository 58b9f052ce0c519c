"""Machine words while code is being generated: the LLVM twin of isa.values.Bits.

A `NativeWord` wraps an LLVM integer; its methods append instructions at the emitter's position.
A `NativeBool` wraps an i1; it can only be branched on, selected with or combined.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

I1 = ir.IntType(1)
I8 = ir.IntType(8)
I16 = ir.IntType(16)
I32 = ir.IntType(32)
I64 = ir.IntType(64)
PTR = ir.PointerType()
VOID = ir.VoidType()


class Emitter:
    """Where instructions go. One per LLVM function being generated."""

    def __init__(self, builder: ir.IRBuilder) -> None:
        self.builder = builder

    def word(self, value: Any) -> NativeWord:
        return NativeWord(self, value)

    def literal(self, value: int, width: int = 64) -> NativeWord:
        return NativeWord(self, ir.Constant(ir.IntType(width), value & ((1 << width) - 1)))


class NativeBool:
    """A condition known only when the guest runs."""

    __slots__ = ("emitter", "value")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, emitter: Emitter, value: Any) -> None:
        self.emitter = emitter
        self.value = value

    def __bool__(self) -> bool:
        raise TypeError("a guest-time condition cannot steer code generation here")

    def both(self, other: NativeBool) -> NativeBool:
        return NativeBool(self.emitter, self.emitter.builder.and_(self.value, other.value))

    def either(self, other: NativeBool) -> NativeBool:
        return NativeBool(self.emitter, self.emitter.builder.or_(self.value, other.value))

    def inverted(self) -> NativeBool:
        return NativeBool(self.emitter, self.emitter.builder.not_(self.value))

    def __eq__(self, other: object) -> Any:
        raise TypeError("compare conditions with and/or/not")


class NativeWord:
    """A fixed-width integer known only when the guest runs."""

    __slots__ = ("emitter", "value")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, emitter: Emitter, value: Any) -> None:
        self.emitter = emitter
        self.value = value

    @property
    def width(self) -> int:
        return int(self.value.type.width)

    def __bool__(self) -> bool:
        raise TypeError("a machine word is not a condition; compare it, e.g. `x != 0`")

    def _constant(self, value: int) -> Any:
        return ir.Constant(self.value.type, value & ((1 << self.width) - 1))

    def _other(self, other: NativeWord | int) -> Any:
        if isinstance(other, int):
            return self._constant(int(other))
        assert other.width == self.width, f"width {self.width} meets width {other.width}"
        return other.value

    def _amount(self, other: NativeWord | int) -> Any:
        if isinstance(other, int):
            assert 0 <= other < self.width, f"shift by {other} of {self.width} bits"
            return self._constant(other)
        return other.to(self.width).value

    def _binary(self, name: str, other: NativeWord | int) -> NativeWord:
        operation = getattr(self.emitter.builder, name)
        return self.emitter.word(operation(self.value, self._other(other)))

    def _shift(self, name: str, other: NativeWord | int) -> NativeWord:
        operation = getattr(self.emitter.builder, name)
        return self.emitter.word(operation(self.value, self._amount(other)))

    def _compare(self, operator: str, other: object, *, signed: bool = False) -> NativeBool:
        assert isinstance(other, NativeWord | int)
        builder = self.emitter.builder
        compare = builder.icmp_signed if signed else builder.icmp_unsigned
        return NativeBool(self.emitter, compare(operator, self.value, self._other(other)))

    def __add__(self, other: NativeWord | int) -> NativeWord:
        return self._binary("add", other)

    def __sub__(self, other: NativeWord | int) -> NativeWord:
        return self._binary("sub", other)

    def __mul__(self, other: NativeWord | int) -> NativeWord:
        return self._binary("mul", other)

    def __and__(self, other: NativeWord | int) -> NativeWord:
        return self._binary("and_", other)

    def __or__(self, other: NativeWord | int) -> NativeWord:
        return self._binary("or_", other)

    def __xor__(self, other: NativeWord | int) -> NativeWord:
        return self._binary("xor", other)

    __radd__, __rmul__, __rand__, __ror__, __rxor__ = __add__, __mul__, __and__, __or__, __xor__

    def __rsub__(self, other: int) -> NativeWord:
        return self.emitter.literal(other, self.width) - self

    def __invert__(self) -> NativeWord:
        return self ^ -1

    def __neg__(self) -> NativeWord:
        return 0 - self

    def __lshift__(self, other: NativeWord | int) -> NativeWord:
        return self._shift("shl", other)

    def __rshift__(self, other: NativeWord | int) -> NativeWord:
        return self._shift("lshr", other)

    def __rlshift__(self, other: int) -> NativeWord:
        return self.emitter.literal(other, self.width) << self

    def __floordiv__(self, other: NativeWord | int) -> NativeWord:
        return self._binary("udiv", other)

    def __mod__(self, other: NativeWord | int) -> NativeWord:
        return self._binary("urem", other)

    def sdiv(self, other: NativeWord | int) -> NativeWord:
        return self._binary("sdiv", other)

    def srem(self, other: NativeWord | int) -> NativeWord:
        return self._binary("srem", other)

    def sra(self, amount: NativeWord | int) -> NativeWord:
        return self._shift("ashr", amount)

    def __eq__(self, other: object) -> Any:
        return self._compare("==", other)

    def __ne__(self, other: object) -> Any:
        return self._compare("!=", other)

    def __lt__(self, other: NativeWord | int) -> NativeBool:
        return self._compare("<", other)

    def __le__(self, other: NativeWord | int) -> NativeBool:
        return self._compare("<=", other)

    def __gt__(self, other: NativeWord | int) -> NativeBool:
        return self._compare(">", other)

    def __ge__(self, other: NativeWord | int) -> NativeBool:
        return self._compare(">=", other)

    def slt(self, other: NativeWord | int) -> NativeBool:
        return self._compare("<", other, signed=True)

    def sle(self, other: NativeWord | int) -> NativeBool:
        return self._compare("<=", other, signed=True)

    def sgt(self, other: NativeWord | int) -> NativeBool:
        return self._compare(">", other, signed=True)

    def sge(self, other: NativeWord | int) -> NativeBool:
        return self._compare(">=", other, signed=True)

    def zext(self, bits: int) -> NativeWord:
        return self if bits >= self.width else self & ((1 << bits) - 1)

    def sext(self, bits: int) -> NativeWord:
        return self if bits >= self.width else self.to(bits).sto(self.width)

    def to(self, width: int) -> NativeWord:
        return self._resize(width, "zext")

    def sto(self, width: int) -> NativeWord:
        return self._resize(width, "sext")

    def _resize(self, width: int, widen: str) -> NativeWord:
        if width == self.width:
            return self
        operation = "trunc" if width < self.width else widen
        return self.emitter.word(
            getattr(self.emitter.builder, operation)(self.value, ir.IntType(width))
        )

    def bit(self, index: NativeWord | int) -> NativeBool:
        return ((self >> index) & 1) != 0  # type: ignore[no-any-return]

    def field(self, high: int, low: int) -> NativeWord:
        return (self >> low) & ((1 << (high - low + 1)) - 1)

    def clz(self) -> NativeWord:
        return self.emitter.word(self.emitter.builder.ctlz(self.value, ir.Constant(I1, 0)))

    def ctz(self) -> NativeWord:
        return self.emitter.word(self.emitter.builder.cttz(self.value, ir.Constant(I1, 0)))

    def popcount(self) -> NativeWord:
        return self.emitter.word(self.emitter.builder.ctpop(self.value))

    def bswap(self) -> NativeWord:
        return self.emitter.word(self.emitter.builder.bswap(self.value))
