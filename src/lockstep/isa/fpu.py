"""What F and D share: the float registers, FS, the rounding mode, flags, and instruction shapes.

mstatus.FS becomes dirty whenever an instruction writes a float register or raises an exception
flag (even one that was already set), and at no other time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from lockstep.isa.floatconvert import classify, from_integer, reformat, to_integer
from lockstep.isa.sem import Hart, sem
from lockstep.isa.softfloat import Format, fma
from lockstep.isa.values import Word

ILLEGAL_INSTRUCTION: Final = 2
FS: Final = 3 << 13  # mstatus.FS; all ones is Dirty
BOX: Final = 0xFFFF_FFFF_0000_0000

Operation = Callable[..., tuple[Word, Word]]


@sem
def require_fpu(s: Hart) -> None:
    """Float instructions are illegal while FS is Off (Priv. 3.1.6.6)."""
    if s.mstatus & FS == 0:
        s.trap(ILLEGAL_INSTRUCTION, s.insn_word())


@sem
def rounding_mode(s: Hart, rm: Word) -> Word:
    """The mode an instruction asks for: 7 means frm; 5 and up are then reserved (Unpriv. 11.2)."""
    mode = s.fcsr.field(7, 5) if rm == 7 else rm
    if mode > 4:
        s.trap(ILLEGAL_INSTRUCTION, s.insn_word())
    return mode


@sem
def read(s: Hart, fmt: Format, register: int) -> Word:
    """A float register; a narrow number that is not NaN-boxed reads as NaN (Unpriv. 12.2)."""
    raw = s.f[register]
    if fmt.width == 64:
        return raw
    return raw.zext(32) if raw >= BOX else s.const(fmt.nan)


@sem
def write(s: Hart, fmt: Format, register: int, value: Word) -> None:
    """Set a float register, NaN-boxing a narrow number."""
    if fmt.width == 64:
        s.f[register] = value
    else:
        s.f[register] = value | BOX
    s.mstatus = s.mstatus | FS


@sem
def raise_flags(s: Hart, flags: Word) -> None:
    """Accrue exception flags."""
    if flags != 0:
        s.fcsr = s.fcsr | flags
        s.mstatus = s.mstatus | FS


# Instruction shapes: each is the whole body of several instructions.


@sem
def load(s: Hart, fmt: Format, rd: int, rs1: int, imm: Word) -> None:
    """f[rd] = memory."""
    require_fpu(s)
    write(s, fmt, rd, s.load(s.x[rs1] + imm, fmt.width // 8))


@sem
def store(s: Hart, fmt: Format, rs1: int, rs2: int, imm: Word) -> None:
    """memory = f[rs2], as it is."""
    require_fpu(s)
    s.store(s.x[rs1] + imm, fmt.width // 8, s.f[rs2].zext(fmt.width))


@sem
def rounded(
    s: Hart, fmt: Format, operation: Operation, rd: int, rs1: int, rs2: int, rm: Word
) -> None:
    """f[rd] = operation(f[rs1], f[rs2]), rounded."""
    require_fpu(s)
    mode = rounding_mode(s, rm)
    result, flags = operation(s, fmt, mode, read(s, fmt, rs1), read(s, fmt, rs2))
    write(s, fmt, rd, result)
    raise_flags(s, flags)


@sem
def rounded_one(s: Hart, fmt: Format, operation: Operation, rd: int, rs1: int, rm: Word) -> None:
    """f[rd] = operation(f[rs1]), rounded."""
    require_fpu(s)
    mode = rounding_mode(s, rm)
    result, flags = operation(s, fmt, mode, read(s, fmt, rs1))
    write(s, fmt, rd, result)
    raise_flags(s, flags)


@sem
def fused(
    s: Hart,
    fmt: Format,
    flip_product: int,
    flip_addend: int,
    rd: int,
    rs1: int,
    rs2: int,
    rs3: int,
    rm: Word,
) -> None:
    """f[rd] = ±(f[rs1] * f[rs2]) ± f[rs3]; a flip is 0, or the sign bit to negate the term."""
    require_fpu(s)
    mode = rounding_mode(s, rm)
    a = read(s, fmt, rs1) ^ flip_product
    c = read(s, fmt, rs3) ^ flip_addend
    result, flags = fma(s, fmt, mode, a, read(s, fmt, rs2), c)
    write(s, fmt, rd, result)
    raise_flags(s, flags)


@sem
def chosen(s: Hart, fmt: Format, operation: Operation, rd: int, rs1: int, rs2: int) -> None:
    """f[rd] = operation(f[rs1], f[rs2]), exact."""
    require_fpu(s)
    result, flags = operation(s, fmt, read(s, fmt, rs1), read(s, fmt, rs2))
    write(s, fmt, rd, result)
    raise_flags(s, flags)


@sem
def compared(s: Hart, fmt: Format, operation: Operation, rd: int, rs1: int, rs2: int) -> None:
    """x[rd] = whether the relation holds between f[rs1] and f[rs2]."""
    require_fpu(s)
    result, flags = operation(s, fmt, read(s, fmt, rs1), read(s, fmt, rs2))
    s.x[rd] = result
    raise_flags(s, flags)


@sem
def copy_sign(s: Hart, fmt: Format, rd: int, rs1: int, rs2: int) -> None:
    """f[rd] = f[rs1] with the sign of f[rs2]."""
    inject(s, fmt, rd, read(s, fmt, rs1).zext(fmt.width - 1), read(s, fmt, rs2))


@sem
def copy_sign_inverted(s: Hart, fmt: Format, rd: int, rs1: int, rs2: int) -> None:
    """f[rd] = f[rs1] with the opposite of the sign of f[rs2]."""
    inject(s, fmt, rd, read(s, fmt, rs1).zext(fmt.width - 1), ~read(s, fmt, rs2))


@sem
def copy_sign_xored(s: Hart, fmt: Format, rd: int, rs1: int, rs2: int) -> None:
    """f[rd] = f[rs1], negated if f[rs2] is negative."""
    inject(s, fmt, rd, read(s, fmt, rs1), read(s, fmt, rs2))


@sem
def inject(s: Hart, fmt: Format, rd: int, number: Word, sign: Word) -> None:
    """f[rd] = `number`, its sign bit exclusive-ored with that of `sign`."""
    require_fpu(s)
    write(s, fmt, rd, number ^ (sign & fmt.sign))


@sem
def classified(s: Hart, fmt: Format, rd: int, rs1: int) -> None:
    """x[rd] = the class of f[rs1]."""
    require_fpu(s)
    s.x[rd] = classify(s, fmt, read(s, fmt, rs1))


@sem
def integer_from_float(
    s: Hart, fmt: Format, bits: int, is_signed: bool, rd: int, rs1: int, rm: Word
) -> None:
    """x[rd] = f[rs1] as an integer of `bits` bits."""
    require_fpu(s)
    mode = rounding_mode(s, rm)
    result, flags = to_integer(s, fmt, bits, is_signed, mode, read(s, fmt, rs1))
    s.x[rd] = result
    raise_flags(s, flags)


@sem
def float_from_integer(
    s: Hart, fmt: Format, bits: int, is_signed: bool, rd: int, rs1: int, rm: Word
) -> None:
    """f[rd] = the low `bits` bits of x[rs1]."""
    require_fpu(s)
    mode = rounding_mode(s, rm)
    number = s.x[rs1].sext(bits) if is_signed else s.x[rs1].zext(bits)
    result, flags = from_integer(s, fmt, is_signed, mode, number)
    write(s, fmt, rd, result)
    raise_flags(s, flags)


@sem
def converted(s: Hart, source: Format, fmt: Format, rd: int, rs1: int, rm: Word) -> None:
    """f[rd] = f[rs1], a number of format `source`, in format `fmt`."""
    require_fpu(s)
    mode = rounding_mode(s, rm)
    result, flags = reformat(s, source, fmt, mode, read(s, source, rs1))
    write(s, fmt, rd, result)
    raise_flags(s, flags)


@sem
def move_from_integer(s: Hart, fmt: Format, rd: int, rs1: int) -> None:
    """f[rd] = the bits of x[rs1]."""
    require_fpu(s)
    write(s, fmt, rd, s.x[rs1].zext(fmt.width))


@sem
def move_to_integer(s: Hart, fmt: Format, rd: int, rs1: int) -> None:
    """x[rd] = the bits of f[rs1], boxed or not, sign-extended."""
    require_fpu(s)
    s.x[rd] = s.f[rs1].sext(fmt.width)
