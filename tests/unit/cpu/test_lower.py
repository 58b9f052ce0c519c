"""The dialect, lowered: what runs natively computes what Python computes over Bits."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llvmlite import binding as llvm
from llvmlite import ir

from lockstep.cpu.native.functions import NativeFunction, NativeModule
from lockstep.cpu.native.lower import LoweringError
from lockstep.cpu.native.objects import Linker
from lockstep.cpu.native.target import target_machine
from lockstep.cpu.native.vocabulary import NativeCluster
from lockstep.cpu.native.words import I64, PTR
from lockstep.isa.sem import outlined, sem
from lockstep.isa.values import Bits, Word

WORDS = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**63, 2**64 - 1, 255]))


class Plain:
    """The vocabulary these functions need, over Bits."""

    def const(self, value: int, width: int = 64) -> Bits:
        return Bits(width, value)

    def invoke(self, function: Callable[..., Any], args: tuple[Any, ...], outlined: bool) -> Any:
        return function(self, *args)


def native(function: Callable[..., Any], parameters: int) -> Callable[..., int]:
    """`function(s, words...) -> word`, compiled."""
    module = NativeModule()
    kind = ir.FunctionType(I64, [PTR, *[I64] * parameters])
    made = NativeFunction(module, ir.Function(module.ir, kind, "entry"))
    cluster = NativeCluster(made, made.function.args[0])
    made.hart = cluster
    result = made.inline(function, (cluster, *(made.word(a) for a in made.function.args[1:])))
    made.builder.ret(result.value)
    code = target_machine().emit_object(llvm.parse_assembly(str(module.ir)))
    linker = Linker()
    address = linker.link([code], ["entry"])["entry"]
    types = [ctypes.c_void_p, *[ctypes.c_uint64] * parameters]
    call = ctypes.CFUNCTYPE(ctypes.c_uint64, *types)(address)

    def run(*words: int) -> int:
        assert linker  # keeps the code alive
        return int(call(None, *words))

    return run


def python(function: Callable[..., Any]) -> Callable[..., int]:
    return lambda *words: int(function(Plain(), *(Bits(64, w) for w in words)))


@sem
def _early(s: Any, a: Word, b: Word) -> Word:
    if a < b:
        return b - a
    if a == b:
        return s.const(7)
    result = a
    while result >= b and b != 0:
        result = result - b if b > 1 << 60 else result % b
    return result


@outlined
def _pair(s: Any, a: Word, b: Word) -> tuple[Word, bool]:
    return a ^ b, a.slt(b)


def control_flow(s: Any, a: Word, b: Word) -> Word:
    """Early returns, loops, tuples, conditions and inlining together."""
    x, less = _pair(s, a, b)
    total = _early(s, x, b)
    if (less and not x < 1) or a.bit(3):
        total = total + (1 if less else 2)
    elif a > b:
        total = total ^ 5
    for i in range(3):
        total = total + (a >> i)
    return total


def arithmetic(s: Any, a: Word, b: Word) -> Word:
    """Every operation of Bits once."""
    n = b & 63
    wide = a.to(128) * b.sto(128)
    total = (a + b) - (a * 3) ^ (~a | -b) & (a << n)
    total = total + (a >> n) + a.sra(n) + (wide >> 64).to(64)
    total = total ^ a.zext(9) ^ b.sext(17) ^ a.field(40, 7) ^ (5 - a) ^ a.bswap()
    total = total + a.clz() + b.ctz() + a.popcount() + (1 << n)
    divisor = b | 1
    total = total + a // divisor + a % divisor + (a >> 1).sdiv(divisor) + (a >> 1).srem(divisor)
    for one in (a < b, a <= b, a > b, a >= b, a != b, a.sle(b), a.sgt(b), a.sge(b)):
        total = (total << 1) + (1 if one else 0)
    return total


@pytest.mark.parametrize("function", [control_flow, arithmetic], ids=lambda f: f.__name__)
def test_native_code_computes_what_python_does(function: Callable[..., Any]) -> None:
    """A lowered function and the plain one agree on every pair of words."""
    fast, slow = native(function, 2), python(function)

    @given(WORDS, WORDS)
    def agree(a: int, b: int) -> None:
        assert fast(a, b) == slow(a, b)

    agree()


def _chained(s: Any, a: Word) -> Word:
    return s.const(1) if 1 < a < 5 else s.const(0)


def _breaks(s: Any, a: Word) -> Word:
    while a != 0:
        break
    return a


def _mixes_widths(s: Any, a: Word) -> Word:
    return a + a.to(32)


@pytest.mark.parametrize("function", [_chained, _breaks, _mixes_widths])
def test_what_is_not_in_the_dialect_is_refused(function: Callable[..., Any]) -> None:
    """A construct that would mean something else natively does not lower."""
    with pytest.raises((LoweringError, SyntaxError)):
        native(function, 1)
