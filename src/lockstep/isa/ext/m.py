"""M: integer multiplication and division (Unpriv. 12). Nothing here traps."""

from __future__ import annotations

from lockstep.isa.sem import Hart, sem
from lockstep.isa.table import insn
from lockstep.isa.values import Word


@insn("0000001 rs2 rs1 000 rd 0110011")
def mul(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = low half of rs1 * rs2."""
    s.x[rd] = s.x[rs1] * s.x[rs2]


@insn("0000001 rs2 rs1 001 rd 0110011")
def mulh(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = high half of rs1 * rs2, both signed."""
    s.x[rd] = ((s.x[rs1].sto(128) * s.x[rs2].sto(128)) >> 64).to(64)


@insn("0000001 rs2 rs1 010 rd 0110011")
def mulhsu(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = high half of rs1 * rs2, rs1 signed, rs2 unsigned."""
    s.x[rd] = ((s.x[rs1].sto(128) * s.x[rs2].to(128)) >> 64).to(64)


@insn("0000001 rs2 rs1 011 rd 0110011")
def mulhu(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = high half of rs1 * rs2, both unsigned."""
    s.x[rd] = ((s.x[rs1].to(128) * s.x[rs2].to(128)) >> 64).to(64)


@insn("0000001 rs2 rs1 000 rd 0111011")
def mulw(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = low word of rs1 * rs2, sign-extended."""
    s.x[rd] = (s.x[rs1] * s.x[rs2]).sext(32)


# Division (Unpriv. 12.2, table 11): by zero, the quotient is all ones and the remainder the
# dividend; on overflow (least integer by -1), the quotient wraps and the remainder is zero.


@sem
def _quotient(s: Hart, a: Word, b: Word) -> Word:
    """a / b, signed."""
    if b == 0:
        return ~b
    if b == -1:
        return -a
    return a.sdiv(b)


@sem
def _remainder(s: Hart, a: Word, b: Word) -> Word:
    """a % b, signed, with the sign of a."""
    if b == 0:
        return a
    # Minus one leaves no remainder, and neither does one, which cannot overflow.
    return a.srem(1 if b == -1 else b)


@sem
def _quotient_unsigned(s: Hart, a: Word, b: Word) -> Word:
    """a / b, unsigned."""
    if b == 0:
        return ~b
    return a // b


@sem
def _remainder_unsigned(s: Hart, a: Word, b: Word) -> Word:
    """a % b, unsigned."""
    if b == 0:
        return a
    return a % b


@insn("0000001 rs2 rs1 100 rd 0110011")
def div(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 / rs2, signed, towards zero."""
    s.x[rd] = _quotient(s, s.x[rs1], s.x[rs2])


@insn("0000001 rs2 rs1 101 rd 0110011")
def divu(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 / rs2, unsigned."""
    s.x[rd] = _quotient_unsigned(s, s.x[rs1], s.x[rs2])


@insn("0000001 rs2 rs1 110 rd 0110011")
def rem(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 % rs2, signed."""
    s.x[rd] = _remainder(s, s.x[rs1], s.x[rs2])


@insn("0000001 rs2 rs1 111 rd 0110011")
def remu(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 % rs2, unsigned."""
    s.x[rd] = _remainder_unsigned(s, s.x[rs1], s.x[rs2])


@insn("0000001 rs2 rs1 100 rd 0111011")
def divw(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = word rs1 / word rs2, signed, sign-extended."""
    s.x[rd] = _quotient(s, s.x[rs1].to(32), s.x[rs2].to(32)).sto(64)


@insn("0000001 rs2 rs1 101 rd 0111011")
def divuw(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = word rs1 / word rs2, unsigned, sign-extended."""
    s.x[rd] = _quotient_unsigned(s, s.x[rs1].to(32), s.x[rs2].to(32)).sto(64)


@insn("0000001 rs2 rs1 110 rd 0111011")
def remw(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = word rs1 % word rs2, signed, sign-extended."""
    s.x[rd] = _remainder(s, s.x[rs1].to(32), s.x[rs2].to(32)).sto(64)


@insn("0000001 rs2 rs1 111 rd 0111011")
def remuw(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = word rs1 % word rs2, unsigned, sign-extended."""
    s.x[rd] = _remainder_unsigned(s, s.x[rs1].to(32), s.x[rs2].to(32)).sto(64)
