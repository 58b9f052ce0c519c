"""The host's FPU computes what the integers do, to the bit and the flag, or says it is not sure."""

from __future__ import annotations

import ctypes
import inspect
import platform
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite import binding as llvm
from llvmlite import ir

from conformance.dice import Dice
from conformance.floats import related
from lockstep.cpu.layout import HART_BYTES, HART_OFFSET
from lockstep.cpu.native import hostfloat
from lockstep.cpu.native.functions import NativeFunction, NativeModule
from lockstep.cpu.native.hostfloat import quick_version
from lockstep.cpu.native.objects import Linker
from lockstep.cpu.native.target import target_machine
from lockstep.cpu.native.vocabulary import NativeHart
from lockstep.cpu.native.words import I64, PTR, VOID
from lockstep.isa import floatconvert, softfloat
from lockstep.isa.softfloat import F32, F64, NX, RNE, RTZ

Numbers = tuple[int, ...]

CASES = 3_000
ONE = {F32: 0x3F80_0000, F64: 0x3FF << 52}
NAMES = {F32: "single", F64: "double"}
WORDS = 4  # rounding mode, and up to three operands


class Operation:
    """One of the isa's: what is known when it is compiled, and how many operands it takes then."""

    def __init__(self, function: Any, operands: int, *known: Any, rounds: bool = True) -> None:
        self.function = inspect.unwrap(function)
        self.operands = operands
        self.known = known
        self.rounds = rounds

    def __repr__(self) -> str:
        return "-".join((self.function.__name__, *(str(NAMES.get(k, k)) for k in self.known)))

    def arguments(self, words: list[Any]) -> tuple[Any, ...]:
        return (*self.known, *words[not self.rounds : 1 + self.operands])


SOFT, CONVERT = softfloat, floatconvert
ADD, MUL, DIV, SQRT, FMA = (
    {fmt: Operation(function, count, fmt) for fmt in (F32, F64)}
    for function, count in (
        (SOFT.add, 2), (SOFT.mul, 2), (SOFT.div, 2), (SOFT.sqrt, 1), (SOFT.fma, 3),
    )
)  # fmt: skip
ARITHMETIC = [one for both in (ADD, MUL, DIV, SQRT, FMA) for one in both.values()]
COMPARISONS = [
    Operation(function, 2, fmt, rounds=False)
    for function in (
        CONVERT.equal, CONVERT.less, CONVERT.less_or_equal, CONVERT.minimum, CONVERT.maximum,
    )
    for fmt in (F32, F64)
]  # fmt: skip
REFORMATS = [Operation(CONVERT.reformat, 1, *both) for both in ((F32, F64), (F64, F32))]
TO_INTEGER = [
    Operation(CONVERT.to_integer, 1, fmt, bits, is_signed)
    for fmt in (F32, F64)
    for bits in (32, 64)
    for is_signed in (True, False)
]
FROM_INTEGER = [
    Operation(CONVERT.from_integer, 1, fmt, is_signed)
    for fmt in (F32, F64)
    for is_signed in (True, False)
]
ALL = ARITHMETIC + COMPARISONS + REFORMATS + TO_INTEGER + FROM_INTEGER


class Compiled:
    """An operation as three functions: as it is `executed`, on integers, and whether it is sure."""

    def __init__(self, operation: Operation) -> None:
        self.hart = ctypes.create_string_buffer(HART_BYTES)
        module = NativeModule()
        bodies = {"executed": self._executed, "integers": self._integers, "sure": self._sure}
        for name, body in bodies.items():
            function = ir.Function(module.ir, ir.FunctionType(I64, [PTR, *[I64] * WORDS]), name)
            made = NativeFunction(module, function)
            made.hart = hart = NativeHart(made, function.args[0])
            words = [made.word(a) for a in function.args[1:]]
            result, hart.trap_tval = body(hart, operation.function, operation.arguments(words))
            made.builder.ret(result.value)
        self._linker = Linker()  # keeps the code alive
        addresses = self._linker.link([_optimised(module.ir)], bodies)
        kind = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, *[ctypes.c_uint64] * WORDS)
        self._call = {name: kind(addresses[name]) for name in bodies}

    @staticmethod
    def _executed(hart: NativeHart, function: Any, args: Any) -> Any:
        return hart.invoke(function, args, True)

    @staticmethod
    def _integers(hart: NativeHart, function: Any, args: Any) -> Any:
        return hart.lowering.inline(function, (hart, *args))

    @staticmethod
    def _sure(hart: NativeHart, function: Any, args: Any) -> Any:
        quick: Any = quick_version(function)
        sure, _, flags = quick(hart, *args)
        return hart.lowering.word(hart.lowering.builder.zext(sure.value, I64)), flags

    def __call__(self, name: str, rm: int, numbers: Numbers, accrued: int = 0) -> tuple[int, int]:
        """(result, flags accrued afterwards)."""
        self._field("fcsr").value = accrued
        words = (rm, *numbers, *[0] * (WORDS - 1 - len(numbers)))
        result = int(self._call[name](ctypes.addressof(self.hart), *words))
        return result, accrued | self._field("trap_tval").value

    def _field(self, name: str) -> ctypes.c_uint64:
        return ctypes.c_uint64.from_buffer(self.hart, HART_OFFSET[name])

    def is_sure(self, rm: int, numbers: Numbers, accrued: int = 0) -> bool:
        return self("sure", rm, numbers, accrued)[0] == 1


def _optimised(module: ir.Module) -> bytes:
    """Object code, made as that of the interpreter is."""
    parsed, machine = llvm.parse_assembly(str(module)), target_machine()
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
    passes.getModulePassManager().run(parsed, passes)
    return bytes(machine.emit_object(parsed))


@cache
def compiled(operation: Operation) -> Compiled:
    return Compiled(operation)


@cache
def _control() -> tuple[Linker, Any]:
    """control(pointer): load the control register of the host's FPU, for this thread."""
    module = ir.Module("control")
    function = ir.Function(module, ir.FunctionType(VOID, [PTR]), "control")
    builder = ir.IRBuilder(function.append_basic_block())
    if platform.machine() == "x86_64":
        builder.call(ir.Function(module, function.ftype, "llvm.x86.sse.ldmxcsr"), function.args)
    else:
        value = builder.load(function.args[0], typ=I64)
        builder.asm(ir.FunctionType(VOID, [I64]), "msr fpcr, $0", "r", [value], True)
    builder.ret_void()
    linker = Linker()
    address = linker.link([_optimised(module)], ["control"])["control"]
    return linker, ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)


@contextmanager
def flushing() -> Iterator[None]:
    """The host takes subnormal numbers for zero, and makes none: some libraries see to that."""
    usual, flush = (0x1F80, 0x9FC0) if platform.machine() == "x86_64" else (0, 1 << 24)
    _, control = _control()
    control(ctypes.byref(ctypes.c_uint64(flush)))
    try:
        yield
    finally:
        control(ctypes.byref(ctypes.c_uint64(usual)))


def operands(dice: Dice, operation: Operation) -> Numbers:
    """Operands near the edges of the operation; of three, the last may cancel the product."""
    if operation in FROM_INTEGER:
        few = dice.below(2 << dice.below(64)) << dice.below(64)
        return (few * dice.pick((1, 1, -1)) % (1 << 64),)
    fmt = operation.known[0]
    found = related(dice, fmt.width, fmt.exponent, operation.operands)
    if operation in FMA.values() and dice.once_in(4):
        product, _ = compiled(MUL[fmt])("integers", RNE, tuple(found[:2]))
        found[2] = product ^ fmt.sign ^ dice.below(2)
    return tuple(found)


def agrees(operation: Operation, dice: Dice, *, flush: bool) -> None:
    """One case, by the FPU or whatever takes its place where it is not sure, and by integers."""
    rm, accrued = dice.pick((RNE, RNE, RTZ, dice.below(5))), dice.pick((0, 0, NX, 0x1E, 0x1F))
    numbers, run = operands(dice, operation), compiled(operation)
    with flushing() if flush else nullcontext():
        found = run("executed", rm, numbers, accrued)
    expected = run("integers", rm, numbers, accrued)
    assert found == expected, f"{operation} rm={rm} {[hex(n) for n in numbers]} from {accrued:#x}"


EACH = pytest.mark.parametrize("operation", ALL, ids=repr)
FLUSH = pytest.mark.parametrize("flush", [False, True], ids=["usual", "flushing"])


@EACH
@FLUSH
def test_results_and_flags_are_those_of_the_integers(operation: Operation, flush: bool) -> None:
    """Whatever the host does with subnormal numbers."""
    random = Random(repr(operation))
    for _ in range(CASES):
        agrees(operation, Dice(lambda _: random.randbytes(32)), flush=flush)


@FLUSH
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_any_operation_as_hypothesis_likes_it(flush: bool, data: st.DataObject) -> None:
    agrees(data.draw(st.sampled_from(ALL)), Dice(data.draw), flush=flush)


def edges(fmt: Any) -> dict[Any, list[Numbers]]:
    """Ties, neighbours of ties, and both ends of the range, by operation."""

    def power(of: int) -> int:
        return (fmt.bias + of) << fmt.mantissa

    one, tiny, least, most = power(0), 1, power(1 - fmt.bias), fmt.infinity - 1
    p, minus, low = fmt.precision, fmt.sign, 4 + fmt.precision - fmt.bias  # the lowest safe power
    return {
        softfloat.add: [
            *((one + odd, power(-p) + more) for odd in (0, 1) for more in (-1, 0, 1)),
            *((minus | one + odd, power(-p - 1) + more) for odd in (0, 1) for more in (-1, 0, 1)),
            *((big, minus | tiny) for big in (one, least, power(low - 1), power(low), most)),
            *((most, power(fmt.bias - p) + more) for more in (-1, 0)),
            *((one, minus | one), (tiny, minus | tiny), (least + 1, minus | least), (tiny, tiny)),
        ],
        softfloat.mul: [
            *((one + 1, one + 1), (one + 2, one + 3), (power(1) - 1, one + 1), (most, one + 1)),
            *((least, one - 1), (least + 1, one - 1), (tiny, power(fmt.bias)), (tiny, one + 1)),
            *((power(low - 1) | 1, one | 1), (power(low) | 1, one | 1), (0, fmt.infinity)),
            *((one | 1 << p // 2, one | 1 << p - 1 - p // 2), (0, fmt.nan), (0, tiny)),
        ],
        softfloat.div: [
            *((one, one + 1), (one, power(1) - 1), (power(1) - 1, one + 1), (one, 0), (0, 0)),
            *((least | 1, one + 1), (tiny, tiny), (tiny, power(-p)), (tiny, most), (one, least)),
            *((least, power(1)), (6, 3), (6, least | 3), (0, fmt.infinity), (0, tiny)),
        ],
        softfloat.sqrt: [
            *((n,) for n in (one, one + 1, one - 1, power(1), power(2) - 1, least, most)),
            *((n,) for n in (4, 9, tiny, minus, minus | tiny, fmt.infinity, fmt.nan - 1)),
        ],
        softfloat.fma: [
            *((one + 1, one + 1, minus | one + 2), (one + 1, one + 1, minus | one + 1)),
            *((one + 1, one - 1, tiny), (one, one + 1, power(-p)), (one, one, minus | one)),
            *((one + 1, power(low + n) | 1, c) for n in (0, 1, p, p + 3) for c in (0, least)),
            *((power(low) | 1, one + 1, power(low + n)) for n in (0, 1, p - 1, p, p + 1, 2 * p)),
            *((tiny, power(p), power(low)), (0, one, tiny), (0, one, least), (0, fmt.infinity, 1)),
            *((most, one, c) for c in (minus | most, power(fmt.bias - p), minus | tiny)),
            *((power(fmt.bias // 2), power(fmt.bias // 2 + n), most ^ minus) for n in (0, 1, 2)),
        ],
        floatconvert.to_integer: [
            (power(n) + more | sign,)
            for n in (-1, 0, 31, 32, 63, 64)
            for more in (-1, 0, 1)
            for sign in (0, minus)
        ] + [(0,), (minus,), (tiny,), (fmt.nan,), (fmt.infinity,)],
        floatconvert.from_integer: [
            (n + more,)
            for n in (1 << p, 1 << p + 1, 1 << 62, 1 << 63)
            for more in (-2, -1, 0, 1, 2)
        ],
    }  # fmt: skip


def of_edges(operation: Operation) -> list[Numbers]:
    found = {inspect.unwrap(k): v for k, v in edges(operation.known[0]).items()}
    if operation in COMPARISONS + REFORMATS:
        fmt = operation.known[0]
        some = [0, 1, 1 << fmt.mantissa, ONE[fmt], fmt.infinity, fmt.infinity + 1, fmt.nan]
        both = [number | sign for number in some for sign in (0, fmt.sign)]
        return list(product(both, repeat=operation.operands))
    return found[operation.function]


@EACH
@FLUSH
def test_edges(operation: Operation, flush: bool) -> None:
    """The cases that somebody thought of, in every mode, after no flag, NX, and all others."""
    run = compiled(operation)
    for numbers, rm, accrued in product(of_edges(operation), range(5), (0, NX, 0x1E)):
        with flushing() if flush else nullcontext():
            found = run("executed", rm, numbers, accrued)
        assert found == run("integers", rm, numbers, accrued), f"{numbers} rm={rm} {accrued:#x}"


# Where the FPU must be sure: the tests above would hold if it never were.
def ordinary(fmt: Any, random: Random) -> int:
    """A number not far from one."""
    exponent = fmt.bias + random.randrange(-8, 9)
    sign = random.randrange(2) * fmt.sign
    return sign | exponent << fmt.mantissa | random.randrange(1 << fmt.mantissa)


@pytest.mark.parametrize("operation", [*ARITHMETIC, *COMPARISONS, *REFORMATS], ids=repr)
@pytest.mark.parametrize("accrued", [0, NX])
def test_ordinary_numbers_are_computed_by_the_host(operation: Operation, accrued: int) -> None:
    fmt, random, run = operation.known[0], Random(repr(operation)), compiled(operation)
    for _ in range(200):
        numbers = [ordinary(fmt, random) for _ in range(operation.operands)]
        if operation in SQRT.values():
            numbers[0] &= fmt.sign - 1
        assert run.is_sure(RNE, tuple(numbers), accrued)


@pytest.mark.parametrize("operation", TO_INTEGER, ids=repr)
def test_ordinary_numbers_are_cut_off_by_the_host(operation: Operation) -> None:
    """C's conversion to an integer is by RTZ."""
    fmt, random, run = operation.known[0], Random(repr(operation)), compiled(operation)
    for _ in range(200):
        number = ordinary(fmt, random) & (fmt.sign - 1)
        assert run.is_sure(RTZ, (number,))
        assert not run.is_sure(RNE, (number,))


@pytest.mark.parametrize("operation", FROM_INTEGER, ids=repr)
def test_integers_are_converted_by_the_host(operation: Operation) -> None:
    for number in (0, 1, 12345, (1 << 53) + 1, (1 << 63) - 1):
        assert compiled(operation).is_sure(RNE, (number,))
        assert not compiled(operation).is_sure(RTZ, (number,))


@pytest.mark.parametrize("fmt", [F32, F64], ids=NAMES.get)
def test_zeros_are_ordinary(fmt: Any) -> None:
    one, minus, zero = ONE[fmt], ONE[fmt] | fmt.sign, 0
    for operation, numbers in (
        (ADD, (zero, zero)),
        (ADD, (one, zero)),
        (ADD, (one, minus)),
        (MUL, (zero, minus)),
        (DIV, (zero, minus)),
        (SQRT, (fmt.sign,)),
        (FMA, (one, one, zero)),
        (FMA, (one, zero, one)),
        (FMA, (one, zero, zero)),
    ):
        assert compiled(operation[fmt]).is_sure(RNE, numbers)


@pytest.mark.parametrize("operation", ARITHMETIC, ids=repr)
def test_other_rounding_modes_are_left_to_the_integers(operation: Operation) -> None:
    numbers = (ONE[operation.known[0]],) * operation.operands
    assert not any(compiled(operation).is_sure(rm, numbers) for rm in range(1, 5))


def test_a_host_that_cannot_fuse_leaves_that_to_the_integers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fma, mul = FMA[F64].function, MUL[F64].function
    monkeypatch.setattr(hostfloat, "_host_fuses", lambda: False)
    assert quick_version(fma) is None
    assert quick_version(mul) is not None
    monkeypatch.setattr(hostfloat, "_host_fuses", lambda: True)
    assert quick_version(fma) is not None
