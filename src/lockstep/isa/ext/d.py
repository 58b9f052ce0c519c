"""RV64D: double-precision floating point (Unpriv. 12)."""

from __future__ import annotations

from lockstep.isa.floatconvert import equal, less, less_or_equal, maximum, minimum
from lockstep.isa.fpu import (
    chosen,
    classified,
    compared,
    converted,
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
from lockstep.isa.softfloat import F32, F64, add, div, mul, sqrt, sub
from lockstep.isa.table import insn
from lockstep.isa.values import Word


@insn("imm[11:0] rs1 011 rd 0000111", asm="fd, imm(rs1)")
def fld(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """Load a double-precision number."""
    load(s, F64, rd, rs1, imm)


@insn("imm[11:5] rs2 rs1 011 imm[4:0] 0100111", asm="fs2, imm(rs1)")
def fsd(s: Hart, rs1: int, rs2: int, imm: Word) -> None:
    """Store a double-precision number."""
    store(s, F64, rs1, rs2, imm)


@insn("rs3 01 rs2 rs1 rm rd 1000011")
def fmadd_d(s: Hart, rd: int, rs1: int, rs2: int, rs3: int, rm: Word) -> None:
    """rd = rs1 * rs2 + rs3, rounded once."""
    fused(s, F64, 0, 0, rd, rs1, rs2, rs3, rm)


@insn("rs3 01 rs2 rs1 rm rd 1000111")
def fmsub_d(s: Hart, rd: int, rs1: int, rs2: int, rs3: int, rm: Word) -> None:
    """rd = rs1 * rs2 - rs3, rounded once."""
    fused(s, F64, 0, F64.sign, rd, rs1, rs2, rs3, rm)


@insn("rs3 01 rs2 rs1 rm rd 1001011")
def fnmsub_d(s: Hart, rd: int, rs1: int, rs2: int, rs3: int, rm: Word) -> None:
    """rd = -(rs1 * rs2) + rs3, rounded once."""
    fused(s, F64, F64.sign, 0, rd, rs1, rs2, rs3, rm)


@insn("rs3 01 rs2 rs1 rm rd 1001111")
def fnmadd_d(s: Hart, rd: int, rs1: int, rs2: int, rs3: int, rm: Word) -> None:
    """rd = -(rs1 * rs2) - rs3, rounded once."""
    fused(s, F64, F64.sign, F64.sign, rd, rs1, rs2, rs3, rm)


@insn("0000001 rs2 rs1 rm rd 1010011")
def fadd_d(s: Hart, rd: int, rs1: int, rs2: int, rm: Word) -> None:
    """rd = rs1 + rs2."""
    rounded(s, F64, add, rd, rs1, rs2, rm)


@insn("0000101 rs2 rs1 rm rd 1010011")
def fsub_d(s: Hart, rd: int, rs1: int, rs2: int, rm: Word) -> None:
    """rd = rs1 - rs2."""
    rounded(s, F64, sub, rd, rs1, rs2, rm)


@insn("0001001 rs2 rs1 rm rd 1010011")
def fmul_d(s: Hart, rd: int, rs1: int, rs2: int, rm: Word) -> None:
    """rd = rs1 * rs2."""
    rounded(s, F64, mul, rd, rs1, rs2, rm)


@insn("0001101 rs2 rs1 rm rd 1010011")
def fdiv_d(s: Hart, rd: int, rs1: int, rs2: int, rm: Word) -> None:
    """rd = rs1 / rs2."""
    rounded(s, F64, div, rd, rs1, rs2, rm)


@insn("0101101 00000 rs1 rm rd 1010011")
def fsqrt_d(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = square root of rs1."""
    rounded_one(s, F64, sqrt, rd, rs1, rm)


@insn("0010001 rs2 rs1 000 rd 1010011")
def fsgnj_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 with the sign of rs2."""
    copy_sign(s, F64, rd, rs1, rs2)


@insn("0010001 rs2 rs1 001 rd 1010011")
def fsgnjn_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 with the opposite of the sign of rs2."""
    copy_sign_inverted(s, F64, rd, rs1, rs2)


@insn("0010001 rs2 rs1 010 rd 1010011")
def fsgnjx_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1, negated if rs2 is negative."""
    copy_sign_xored(s, F64, rd, rs1, rs2)


@insn("0010101 rs2 rs1 000 rd 1010011")
def fmin_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = the smaller of rs1 and rs2."""
    chosen(s, F64, minimum, rd, rs1, rs2)


@insn("0010101 rs2 rs1 001 rd 1010011")
def fmax_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = the larger of rs1 and rs2."""
    chosen(s, F64, maximum, rd, rs1, rs2)


@insn("1010001 rs2 rs1 010 rd 1010011")
def feq_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 equals rs2."""
    compared(s, F64, equal, rd, rs1, rs2)


@insn("1010001 rs2 rs1 001 rd 1010011")
def flt_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 is less than rs2."""
    compared(s, F64, less, rd, rs1, rs2)


@insn("1010001 rs2 rs1 000 rd 1010011")
def fle_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 is less than or equal to rs2."""
    compared(s, F64, less_or_equal, rd, rs1, rs2)


@insn("1110001 00000 rs1 001 rd 1010011")
def fclass_d(s: Hart, rd: int, rs1: int) -> None:
    """rd = the class of rs1."""
    classified(s, F64, rd, rs1)


@insn("1100001 00000 rs1 rm rd 1010011")
def fcvt_w_d(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1 as a signed 32-bit integer."""
    integer_from_float(s, F64, 32, True, rd, rs1, rm)


@insn("1100001 00001 rs1 rm rd 1010011")
def fcvt_wu_d(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1 as an unsigned 32-bit integer."""
    integer_from_float(s, F64, 32, False, rd, rs1, rm)


@insn("1100001 00010 rs1 rm rd 1010011")
def fcvt_l_d(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1 as a signed 64-bit integer."""
    integer_from_float(s, F64, 64, True, rd, rs1, rm)


@insn("1100001 00011 rs1 rm rd 1010011")
def fcvt_lu_d(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1 as an unsigned 64-bit integer."""
    integer_from_float(s, F64, 64, False, rd, rs1, rm)


@insn("1101001 00000 rs1 rm rd 1010011")
def fcvt_d_w(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1, a signed 32-bit integer, as a double-precision number."""
    float_from_integer(s, F64, 32, True, rd, rs1, rm)


@insn("1101001 00001 rs1 rm rd 1010011")
def fcvt_d_wu(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1, an unsigned 32-bit integer, as a double-precision number."""
    float_from_integer(s, F64, 32, False, rd, rs1, rm)


@insn("1101001 00010 rs1 rm rd 1010011")
def fcvt_d_l(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1, a signed 64-bit integer, as a double-precision number."""
    float_from_integer(s, F64, 64, True, rd, rs1, rm)


@insn("1101001 00011 rs1 rm rd 1010011")
def fcvt_d_lu(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1, an unsigned 64-bit integer, as a double-precision number."""
    float_from_integer(s, F64, 64, False, rd, rs1, rm)


@insn("1110001 00000 rs1 000 rd 1010011")
def fmv_x_d(s: Hart, rd: int, rs1: int) -> None:
    """rd = the bits of rs1."""
    move_to_integer(s, F64, rd, rs1)


@insn("1111001 00000 rs1 000 rd 1010011")
def fmv_d_x(s: Hart, rd: int, rs1: int) -> None:
    """rd = the bits of rs1."""
    move_from_integer(s, F64, rd, rs1)


@insn("0100000 00001 rs1 rm rd 1010011")
def fcvt_s_d(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1 as a single-precision number."""
    converted(s, F64, F32, rd, rs1, rm)


@insn("0100001 00000 rs1 rm rd 1010011")
def fcvt_d_s(s: Hart, rd: int, rs1: int, rm: Word) -> None:
    """rd = rs1, a single-precision number, as a double-precision one."""
    converted(s, F32, F64, rd, rs1, rm)
