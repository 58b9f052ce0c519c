"""RV64F: single-precision floating point (Unpriv. 11)."""

from __future__ import annotations

from lockstep.isa.floatconvert import equal, less, less_or_equal, maximum, minimum
from lockstep.isa.fpu import (
    chosen,
    classified,
    compared,
    copy_sign,
    copy_sign_inverted,
    copy_sign_xored,
    float_from_integer,
    fused,
    integer_from_float,
    load,
    move_from_integer,
    move_to_integer,
    rounded,
    rounded_one,
    store,
)
from lockstep.isa.sem import Hart
from lockstep.isa.softfloat import F32, add, div, mul, sqrt, sub
from lockstep.isa.table import insn
from lockstep.isa.values import Word


@insn("imm[11:0] rs1 010 rd 0000111", asm="fd, imm(rs1)")
def flw(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """Load a single-precision number."""
    load(s, F32, rd, rs1, imm)


@insn("imm[11:5] rs2 rs1 010 imm[4:0] 0100111", asm="fs2, imm(rs1)")
def fsw(s: Hart, rs1: int, rs2: int, imm: Word) -> None:
    """Store a single-precision number."""
    store(s, F32, rs1, rs2, imm)


@insn("rs3 00 rs2 rs1 rm rd 1000011")
def fmadd_s(s: Hart, rd: int, rs1: int, rs2: int, rs3: int, rm: Word) -> None:
    """rd = rs1 * rs2 + rs3, rounded once."""
    fused(s, F32, 0, 0, rd, rs1, rs2, rs3, rm)


@insn("rs3 00 rs2 rs1 rm rd 1000111")
def fmsub_s(s: Hart, rd: int, rs1: int, rs2: int, rs3: int, rm: Word) -> None:
    """rd = rs1 * rs2 - rs3, rounded once."""
    fused(s, F32, 0, F32.sign, rd, rs1, rs2, rs3, rm)


@insn("rs3 00 rs2 rs1 rm rd 1001011")
def fnmsub_s(s: Hart, rd: int, rs1: int, rs2: int, rs3: int, rm: Word) -> None:
    """rd = -(rs1 * rs2) + rs3, rounded once."""
    fused(s, F32, F32.sign, 0, rd, rs1, rs2, rs3, rm)


@insn("rs3 00 rs2 rs1 rm rd 1001111")
def fnmadd_s(s: Hart, rd: int, rs1: int, rs2: int, rs3: int, rm: Word) -> None:
    """rd = -(rs1 * rs2) - rs3, rounded once."""
    fused(s, F32, F32.sign, F32.sign, rd, rs1, rs2, rs3, rm)


@insn("0000000 rs2 rs1 rm rd 1010011")
def fadd_s(s: Hart, rd: int, rs1: int, rs2: int, rm: Word) -> None:
    """rd = rs1 + rs2."""
    rounded(s, F32, add, rd, rs1, rs2, rm)


@insn("0000100 rs2 rs1 rm rd 1010011")
def fsub_s(s: Hart, rd: int, rs1: int, rs2: int, rm: Word) -> None:
    """rd = rs1 - rs2."""
    rounded(s, F32, sub, rd, rs1, rs2, rm)


@insn("0001000 rs2 rs1 rm rd 1010011")
def fmul_s(s: Hart, rd: int, rs1: int, rs2: int, rm: Word) -> None:
    """rd = rs1 * rs2."""
    rounded(s, F32, mul, rd, rs1, rs2, rm)


@insn("0001100 rs2 rs1 rm rd 1010011")
def fdiv_s(s: Hart, rd: int, rs1: int, rs2: int, rm: Word) -> None:
    """rd = rs1 / rs2."""
    rounded(s, F32, div, rd, rs1, rs2, rm)


@insn("0101100 00000 rs1 rm rd 1010011")
def fsqrt_s(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = square root of rs1."""
    rounded_one(s, F32, sqrt, rd, rs1, rm)


@insn("0010000 rs2 rs1 000 rd 1010011")
def fsgnj_s(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 with the sign of rs2."""
    copy_sign(s, F32, rd, rs1, rs2)


@insn("0010000 rs2 rs1 001 rd 1010011")
def fsgnjn_s(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 with the opposite of the sign of rs2."""
    copy_sign_inverted(s, F32, rd, rs1, rs2)


@insn("0010000 rs2 rs1 010 rd 1010011")
def fsgnjx_s(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1, negated if rs2 is negative."""
    copy_sign_xored(s, F32, rd, rs1, rs2)


@insn("0010100 rs2 rs1 000 rd 1010011")
def fmin_s(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = the smaller of rs1 and rs2."""
    chosen(s, F32, minimum, rd, rs1, rs2)


@insn("0010100 rs2 rs1 001 rd 1010011")
def fmax_s(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = the larger of rs1 and rs2."""
    chosen(s, F32, maximum, rd, rs1, rs2)


@insn("1010000 rs2 rs1 010 rd 1010011")
def feq_s(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 equals rs2."""
    compared(s, F32, equal, rd, rs1, rs2)


@insn("1010000 rs2 rs1 001 rd 1010011")
def flt_s(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 is less than rs2."""
    compared(s, F32, less, rd, rs1, rs2)


@insn("1010000 rs2 rs1 000 rd 1010011")
def fle_s(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 is less than or equal to rs2."""
    compared(s, F32, less_or_equal, rd, rs1, rs2)


@insn("1110000 00000 rs1 001 rd 1010011")
def fclass_s(s: Hart, rd: int, rs1: int) -> None:
    """rd = the class of rs1."""
    classified(s, F32, rd, rs1)


@insn("1100000 00000 rs1 rm rd 1010011")
def fcvt_w_s(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1 as a signed 32-bit integer."""
    integer_from_float(s, F32, 32, True, rd, rs1, rm)


@insn("1100000 00001 rs1 rm rd 1010011")
def fcvt_wu_s(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1 as an unsigned 32-bit integer."""
    integer_from_float(s, F32, 32, False, rd, rs1, rm)


@insn("1100000 00010 rs1 rm rd 1010011")
def fcvt_l_s(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1 as a signed 64-bit integer."""
    integer_from_float(s, F32, 64, True, rd, rs1, rm)


@insn("1100000 00011 rs1 rm rd 1010011")
def fcvt_lu_s(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1 as an unsigned 64-bit integer."""
    integer_from_float(s, F32, 64, False, rd, rs1, rm)


@insn("1101000 00000 rs1 rm rd 1010011")
def fcvt_s_w(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1, a signed 32-bit integer, as a single-precision number."""
    float_from_integer(s, F32, 32, True, rd, rs1, rm)


@insn("1101000 00001 rs1 rm rd 1010011")
def fcvt_s_wu(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1, an unsigned 32-bit integer, as a single-precision number."""
    float_from_integer(s, F32, 32, False, rd, rs1, rm)


@insn("1101000 00010 rs1 rm rd 1010011")
def fcvt_s_l(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1, a signed 64-bit integer, as a single-precision number."""
    float_from_integer(s, F32, 64, True, rd, rs1, rm)


@insn("1101000 00011 rs1 rm rd 1010011")
def fcvt_s_lu(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1, an unsigned 64-bit integer, as a single-precision number."""
    float_from_integer(s, F32, 64, False, rd, rs1, rm)


@insn("1110000 00000 rs1 000 rd 1010011")
def fmv_x_w(s: Hart, rd: int, rs1: int) -> None:
    """rd = the low 32 bits of rs1, sign-extended."""
    move_to_integer(s, F32, rd, rs1)


@insn("1111000 00000 rs1 000 rd 1010011")
def fmv_w_x(s: Hart, rd: int, rs1: int) -> None:
    """rd = the low 32 bits of rs1."""
    move_from_integer(s, F32, rd, rs1)
