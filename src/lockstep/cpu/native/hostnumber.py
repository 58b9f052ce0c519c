"""Numbers of the host's FPU while code is being generated, as native/words are its integers."""

from __future__ import annotations

from typing import Any, Final

from llvmlite import ir

from lockstep.cpu.native.words import I64, NativeBool
from lockstep.isa.softfloat import F32, F64, Format

TYPES: Final = {F32: ir.FloatType(), F64: ir.DoubleType()}


class Number:
    """A float or double of the host while code is being generated: no fast-math flag, ever."""

    __slots__ = ("fmt", "lowering", "value")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, lowering: Any, fmt: Format, value: Any) -> None:
        self.lowering = lowering
        self.fmt = fmt
        self.value = value

    @classmethod
    def of(cls, fmt: Format, word: Any) -> Number:
        """The number that the low bits of `word` stand for."""
        lowering = word.emitter
        value = lowering.builder.bitcast(word.to(fmt.width).value, TYPES[fmt])
        return cls(lowering, fmt, value)

    @classmethod
    def nearest(cls, fmt: Format, integer: Any) -> Number:
        """The signed `integer`, rounded."""
        lowering = integer.emitter
        return cls(lowering, fmt, lowering.builder.sitofp(integer.value, TYPES[fmt]))

    @property
    def word(self) -> Any:
        """Its bits in a word of 64."""
        bits = self.lowering.builder.bitcast(self.value, ir.IntType(self.fmt.width))
        return self.lowering.word(bits).to(64)

    def whole(self) -> Any:
        """Its integral part, which fits 63 bits and a sign."""
        return self.lowering.word(self.lowering.builder.fptosi(self.value, I64))

    def in_format(self, fmt: Format) -> Number:
        """The same number in the other format, rounded if that is the narrow one."""
        builder = self.lowering.builder
        change = builder.fptrunc if fmt.width < self.fmt.width else builder.fpext
        return Number(self.lowering, fmt, change(self.value, TYPES[fmt]))

    def _made(self, value: Any) -> Number:
        return Number(self.lowering, self.fmt, value)

    def __add__(self, other: Number) -> Number:
        return self._made(self.lowering.builder.fadd(self.value, other.value))

    def __sub__(self, other: Number) -> Number:
        return self._made(self.lowering.builder.fsub(self.value, other.value))

    def __mul__(self, other: Number) -> Number:
        return self._made(self.lowering.builder.fmul(self.value, other.value))

    def __truediv__(self, other: Number) -> Number:
        return self._made(self.lowering.builder.fdiv(self.value, other.value))

    def __neg__(self) -> Number:
        return self._made(self.lowering.builder.fneg(self.value))

    def times_plus(self, factor: Number, addend: Number) -> Number:
        """self * factor + addend, rounded once."""
        return self._made(self.lowering.builder.fma(self.value, factor.value, addend.value))

    def root(self) -> Number:
        """Its square root."""
        module, kind = self.lowering.module.ir, TYPES[self.fmt]
        intrinsic = module.declare_intrinsic("llvm.sqrt", [kind])
        return self._made(self.lowering.builder.call(intrinsic, [self.value]))

    def _compare(self, operator: str, other: Number) -> Any:
        """False where either is a NaN."""
        compared = self.lowering.builder.fcmp_ordered(operator, self.value, other.value)
        return NativeBool(self.lowering, compared)

    def __lt__(self, other: Number) -> Any:
        return self._compare("<", other)

    def __le__(self, other: Number) -> Any:
        return self._compare("<=", other)

    def same(self, other: Number) -> Any:
        """Whether they are equal; as ==, it would have to be a plain truth."""
        return self._compare("==", other)

    def differs(self, other: Number) -> Any:
        """Whether one is less than the other."""
        return self._compare("!=", other)
