"""C: compressed instructions (Unpriv. 27), each a shorter spelling of another.

HINT encodings execute as written, which changes nothing; reserved ones do not match.
"""

from __future__ import annotations

from lockstep.isa.ext.d import fld, fsd
from lockstep.isa.ext.priv import ebreak
from lockstep.isa.ext.rv64i import (
    add,
    addi,
    addiw,
    addw,
    and_,
    andi,
    beq,
    bne,
    jal,
    jalr,
    ld,
    lui,
    lw,
    or_,
    sd,
    slli,
    srai,
    srli,
    sub,
    subw,
    sw,
    xor,
)
from lockstep.isa.sem import Hart
from lockstep.isa.table import insn
from lockstep.isa.values import Word

ZERO, RA, SP = 0, 1, 2


# Loads and stores relative to sp (Unpriv. 27.3.1).


@insn("010 uimm[5] rd!=0 uimm[4:2|7:6] 10", asm="rd, uimm(sp)")
def c_lwsp(s: Hart, rd: int, uimm: Word) -> None:
    """lw rd, uimm(sp)"""
    lw(s, rd, SP, uimm)


@insn("011 uimm[5] rd!=0 uimm[4:3|8:6] 10", asm="rd, uimm(sp)")
def c_ldsp(s: Hart, rd: int, uimm: Word) -> None:
    """ld rd, uimm(sp)"""
    ld(s, rd, SP, uimm)


@insn("001 uimm[5] rd uimm[4:3|8:6] 10", asm="fd, uimm(sp)")
def c_fldsp(s: Hart, rd: int, uimm: Word) -> None:
    """fld rd, uimm(sp)"""
    fld(s, rd, SP, uimm)


@insn("110 uimm[5:2|7:6] rs2 10", asm="rs2, uimm(sp)")
def c_swsp(s: Hart, rs2: int, uimm: Word) -> None:
    """sw rs2, uimm(sp)"""
    sw(s, SP, rs2, uimm)


@insn("111 uimm[5:3|8:6] rs2 10", asm="rs2, uimm(sp)")
def c_sdsp(s: Hart, rs2: int, uimm: Word) -> None:
    """sd rs2, uimm(sp)"""
    sd(s, SP, rs2, uimm)


@insn("101 uimm[5:3|8:6] rs2 10", asm="fs2, uimm(sp)")
def c_fsdsp(s: Hart, rs2: int, uimm: Word) -> None:
    """fsd rs2, uimm(sp)"""
    fsd(s, SP, rs2, uimm)


# Loads and stores relative to a register (Unpriv. 27.3.2).


@insn("010 uimm[5:3] rs1' uimm[2|6] rd' 00", asm="rd, uimm(rs1)")
def c_lw(s: Hart, rd: int, rs1: int, uimm: Word) -> None:
    """lw rd, uimm(rs1)"""
    lw(s, rd, rs1, uimm)


@insn("011 uimm[5:3] rs1' uimm[7:6] rd' 00", asm="rd, uimm(rs1)")
def c_ld(s: Hart, rd: int, rs1: int, uimm: Word) -> None:
    """ld rd, uimm(rs1)"""
    ld(s, rd, rs1, uimm)


@insn("001 uimm[5:3] rs1' uimm[7:6] rd' 00", asm="fd, uimm(rs1)")
def c_fld(s: Hart, rd: int, rs1: int, uimm: Word) -> None:
    """fld rd, uimm(rs1)"""
    fld(s, rd, rs1, uimm)


@insn("110 uimm[5:3] rs1' uimm[2|6] rs2' 00", asm="rs2, uimm(rs1)")
def c_sw(s: Hart, rs1: int, rs2: int, uimm: Word) -> None:
    """sw rs2, uimm(rs1)"""
    sw(s, rs1, rs2, uimm)


@insn("111 uimm[5:3] rs1' uimm[7:6] rs2' 00", asm="rs2, uimm(rs1)")
def c_sd(s: Hart, rs1: int, rs2: int, uimm: Word) -> None:
    """sd rs2, uimm(rs1)"""
    sd(s, rs1, rs2, uimm)


@insn("101 uimm[5:3] rs1' uimm[7:6] rs2' 00", asm="fs2, uimm(rs1)")
def c_fsd(s: Hart, rs1: int, rs2: int, uimm: Word) -> None:
    """fsd rs2, uimm(rs1)"""
    fsd(s, rs1, rs2, uimm)


# Control transfer (Unpriv. 27.4).


@insn("101 imm[11|4|9:8|10|6|7|3:1|5] 01", asm="target")
def c_j(s: Hart, imm: Word) -> None:
    """jal zero, imm"""
    jal(s, ZERO, imm)


@insn("100 0 rs1!=0 00000 10")
def c_jr(s: Hart, rs1: int) -> None:
    """jalr zero, 0(rs1)"""
    jalr(s, ZERO, rs1, s.const(0))


@insn("100 1 rs1!=0 00000 10")
def c_jalr(s: Hart, rs1: int) -> None:
    """jalr ra, 0(rs1)"""
    jalr(s, RA, rs1, s.const(0))


@insn("110 imm[8|4:3] rs1' imm[7:6|2:1|5] 01", asm="rs1, target")
def c_beqz(s: Hart, rs1: int, imm: Word) -> None:
    """beq rs1, zero, imm"""
    beq(s, rs1, ZERO, imm)


@insn("111 imm[8|4:3] rs1' imm[7:6|2:1|5] 01", asm="rs1, target")
def c_bnez(s: Hart, rs1: int, imm: Word) -> None:
    """bne rs1, zero, imm"""
    bne(s, rs1, ZERO, imm)


# Constants (Unpriv. 27.5.1).


@insn("010 imm[5] rd imm[4:0] 01")
def c_li(s: Hart, rd: int, imm: Word) -> None:
    """addi rd, zero, imm"""
    addi(s, rd, ZERO, imm)


@insn("011 nzimm[17] rd!=2 nzimm[16:12] 01", asm="rd, upper")
def c_lui(s: Hart, rd: int, imm: Word) -> None:
    """lui rd, imm"""
    lui(s, rd, imm)


# Register and immediate (Unpriv. 27.5.2).


@insn("000 imm[5] 00000 imm[4:0] 01")
def c_nop(s: Hart) -> None:
    """Nothing; a non-zero immediate is a HINT."""


@insn("000 imm[5] rd/rs1!=0 imm[4:0] 01")
def c_addi(s: Hart, rd: int, imm: Word) -> None:
    """addi rd, rd, imm"""
    addi(s, rd, rd, imm)


@insn("001 imm[5] rd/rs1!=0 imm[4:0] 01")
def c_addiw(s: Hart, rd: int, imm: Word) -> None:
    """addiw rd, rd, imm"""
    addiw(s, rd, rd, imm)


@insn("011 nzimm[9] 00010 nzimm[4|6|8:7|5] 01", asm="sp, imm")
def c_addi16sp(s: Hart, imm: Word) -> None:
    """addi sp, sp, imm"""
    addi(s, SP, SP, imm)


@insn("000 nzuimm[5:4|9:6|2|3] rd' 00", asm="rd, sp, uimm")
def c_addi4spn(s: Hart, rd: int, uimm: Word) -> None:
    """addi rd, sp, uimm"""
    addi(s, rd, SP, uimm)


@insn("000 uimm[5] rd/rs1 uimm[4:0] 10")
def c_slli(s: Hart, rd: int, uimm: Word) -> None:
    """slli rd, rd, uimm"""
    slli(s, rd, rd, uimm)


@insn("100 uimm[5] 00 rd'/rs1' uimm[4:0] 01")
def c_srli(s: Hart, rd: int, uimm: Word) -> None:
    """srli rd, rd, uimm"""
    srli(s, rd, rd, uimm)


@insn("100 uimm[5] 01 rd'/rs1' uimm[4:0] 01")
def c_srai(s: Hart, rd: int, uimm: Word) -> None:
    """srai rd, rd, uimm"""
    srai(s, rd, rd, uimm)


@insn("100 imm[5] 10 rd'/rs1' imm[4:0] 01")
def c_andi(s: Hart, rd: int, imm: Word) -> None:
    """andi rd, rd, imm"""
    andi(s, rd, rd, imm)


# Register and register (Unpriv. 27.5.3).


@insn("100 0 rd rs2!=0 10")
def c_mv(s: Hart, rd: int, rs2: int) -> None:
    """add rd, zero, rs2"""
    add(s, rd, ZERO, rs2)


@insn("100 1 rd/rs1 rs2!=0 10")
def c_add(s: Hart, rd: int, rs2: int) -> None:
    """add rd, rd, rs2"""
    add(s, rd, rd, rs2)


@insn("100 0 11 rd'/rs1' 11 rs2' 01")
def c_and(s: Hart, rd: int, rs2: int) -> None:
    """and rd, rd, rs2"""
    and_(s, rd, rd, rs2)


@insn("100 0 11 rd'/rs1' 10 rs2' 01")
def c_or(s: Hart, rd: int, rs2: int) -> None:
    """or rd, rd, rs2"""
    or_(s, rd, rd, rs2)


@insn("100 0 11 rd'/rs1' 01 rs2' 01")
def c_xor(s: Hart, rd: int, rs2: int) -> None:
    """xor rd, rd, rs2"""
    xor(s, rd, rd, rs2)


@insn("100 0 11 rd'/rs1' 00 rs2' 01")
def c_sub(s: Hart, rd: int, rs2: int) -> None:
    """sub rd, rd, rs2"""
    sub(s, rd, rd, rs2)


@insn("100 1 11 rd'/rs1' 01 rs2' 01")
def c_addw(s: Hart, rd: int, rs2: int) -> None:
    """addw rd, rd, rs2"""
    addw(s, rd, rd, rs2)


@insn("100 1 11 rd'/rs1' 00 rs2' 01")
def c_subw(s: Hart, rd: int, rs2: int) -> None:
    """subw rd, rd, rs2"""
    subw(s, rd, rd, rs2)


# Breakpoint (Unpriv. 27.5.5).


@insn("100 1 00000 00000 10")
def c_ebreak(s: Hart) -> None:
    """ebreak"""
    ebreak(s)
