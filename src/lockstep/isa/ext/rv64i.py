"""RV64I, Zifencei and Zihintpause. ECALL, EBREAK and the privileged instructions are in priv."""

from __future__ import annotations

from lockstep.isa.sem import Hart
from lockstep.isa.table import insn
from lockstep.isa.values import Word

# Upper immediates and jumps (Unpriv. 2.4.1, 2.5.1). With IALIGN=16 no target is misaligned.


@insn("imm[31:12] rd 0110111", asm="rd, upper")
def lui(s: Hart, rd: int, imm: Word) -> None:
    """rd = imm, whose low twelve bits are zero."""
    s.x[rd] = imm


@insn("imm[31:12] rd 0010111", asm="rd, upper")
def auipc(s: Hart, rd: int, imm: Word) -> None:
    """rd = pc + imm."""
    s.x[rd] = s.pc + imm


@insn("imm[20|10:1|11|19:12] rd 1101111", asm="rd, target")
def jal(s: Hart, rd: int, imm: Word) -> None:
    """Jump by imm; rd = address of the next instruction."""
    s.x[rd] = s.next_pc
    s.jump_relative(imm)


@insn("imm[11:0] rs1 000 rd 1100111", asm="rd, imm(rs1)")
def jalr(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """Jump to rs1 + imm with bit 0 cleared; rd = address of the next instruction."""
    target = (s.x[rs1] + imm) & ~1
    s.x[rd] = s.next_pc
    s.jump(target)


# Conditional branches (Unpriv. 2.5.2).


@insn("imm[12|10:5] rs2 rs1 000 imm[4:1|11] 1100011", asm="rs1, rs2, target")
def beq(s: Hart, rs1: int, rs2: int, imm: Word) -> None:
    """Branch if equal."""
    if s.x[rs1] == s.x[rs2]:
        s.jump_relative(imm)


@insn("imm[12|10:5] rs2 rs1 001 imm[4:1|11] 1100011", asm="rs1, rs2, target")
def bne(s: Hart, rs1: int, rs2: int, imm: Word) -> None:
    """Branch if not equal."""
    if s.x[rs1] != s.x[rs2]:
        s.jump_relative(imm)


@insn("imm[12|10:5] rs2 rs1 100 imm[4:1|11] 1100011", asm="rs1, rs2, target")
def blt(s: Hart, rs1: int, rs2: int, imm: Word) -> None:
    """Branch if less, signed."""
    if s.x[rs1].slt(s.x[rs2]):
        s.jump_relative(imm)


@insn("imm[12|10:5] rs2 rs1 101 imm[4:1|11] 1100011", asm="rs1, rs2, target")
def bge(s: Hart, rs1: int, rs2: int, imm: Word) -> None:
    """Branch if greater or equal, signed."""
    if s.x[rs1].sge(s.x[rs2]):
        s.jump_relative(imm)


@insn("imm[12|10:5] rs2 rs1 110 imm[4:1|11] 1100011", asm="rs1, rs2, target")
def bltu(s: Hart, rs1: int, rs2: int, imm: Word) -> None:
    """Branch if less, unsigned."""
    if s.x[rs1] < s.x[rs2]:
        s.jump_relative(imm)


@insn("imm[12|10:5] rs2 rs1 111 imm[4:1|11] 1100011", asm="rs1, rs2, target")
def bgeu(s: Hart, rs1: int, rs2: int, imm: Word) -> None:
    """Branch if greater or equal, unsigned."""
    if s.x[rs1] >= s.x[rs2]:
        s.jump_relative(imm)


# Loads and stores (Unpriv. 2.6, 4.3).


@insn("imm[11:0] rs1 000 rd 0000011", asm="rd, imm(rs1)")
def lb(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """Load a byte, sign-extended."""
    s.x[rd] = s.load(s.x[rs1] + imm, 1).sext(8)


@insn("imm[11:0] rs1 001 rd 0000011", asm="rd, imm(rs1)")
def lh(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """Load two bytes, sign-extended."""
    s.x[rd] = s.load(s.x[rs1] + imm, 2).sext(16)


@insn("imm[11:0] rs1 010 rd 0000011", asm="rd, imm(rs1)")
def lw(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """Load four bytes, sign-extended."""
    s.x[rd] = s.load(s.x[rs1] + imm, 4).sext(32)


@insn("imm[11:0] rs1 011 rd 0000011", asm="rd, imm(rs1)")
def ld(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """Load eight bytes."""
    s.x[rd] = s.load(s.x[rs1] + imm, 8)


@insn("imm[11:0] rs1 100 rd 0000011", asm="rd, imm(rs1)")
def lbu(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """Load a byte, zero-extended."""
    s.x[rd] = s.load(s.x[rs1] + imm, 1)


@insn("imm[11:0] rs1 101 rd 0000011", asm="rd, imm(rs1)")
def lhu(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """Load two bytes, zero-extended."""
    s.x[rd] = s.load(s.x[rs1] + imm, 2)


@insn("imm[11:0] rs1 110 rd 0000011", asm="rd, imm(rs1)")
def lwu(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """Load four bytes, zero-extended."""
    s.x[rd] = s.load(s.x[rs1] + imm, 4)


@insn("imm[11:5] rs2 rs1 000 imm[4:0] 0100011", asm="rs2, imm(rs1)")
def sb(s: Hart, rs1: int, rs2: int, imm: Word) -> None:
    """Store the low byte of rs2."""
    s.store(s.x[rs1] + imm, 1, s.x[rs2])


@insn("imm[11:5] rs2 rs1 001 imm[4:0] 0100011", asm="rs2, imm(rs1)")
def sh(s: Hart, rs1: int, rs2: int, imm: Word) -> None:
    """Store the low two bytes of rs2."""
    s.store(s.x[rs1] + imm, 2, s.x[rs2])


@insn("imm[11:5] rs2 rs1 010 imm[4:0] 0100011", asm="rs2, imm(rs1)")
def sw(s: Hart, rs1: int, rs2: int, imm: Word) -> None:
    """Store the low four bytes of rs2."""
    s.store(s.x[rs1] + imm, 4, s.x[rs2])


@insn("imm[11:5] rs2 rs1 011 imm[4:0] 0100011", asm="rs2, imm(rs1)")
def sd(s: Hart, rs1: int, rs2: int, imm: Word) -> None:
    """Store rs2."""
    s.store(s.x[rs1] + imm, 8, s.x[rs2])


# Register and immediate (Unpriv. 2.4.1).


@insn("imm[11:0] rs1 000 rd 0010011")
def addi(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """rd = rs1 + imm, wrapping."""
    s.x[rd] = s.x[rs1] + imm


@insn("imm[11:0] rs1 010 rd 0010011")
def slti(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """rd = 1 if rs1 < imm, signed, else 0."""
    s.x[rd] = 1 if s.x[rs1].slt(imm) else 0


@insn("imm[11:0] rs1 011 rd 0010011")
def sltiu(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """rd = 1 if rs1 < imm, unsigned after sign extension, else 0."""
    s.x[rd] = 1 if s.x[rs1] < imm else 0


@insn("imm[11:0] rs1 100 rd 0010011")
def xori(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """rd = rs1 ^ imm."""
    s.x[rd] = s.x[rs1] ^ imm


@insn("imm[11:0] rs1 110 rd 0010011")
def ori(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """rd = rs1 | imm."""
    s.x[rd] = s.x[rs1] | imm


@insn("imm[11:0] rs1 111 rd 0010011")
def andi(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """rd = rs1 & imm."""
    s.x[rd] = s.x[rs1] & imm


@insn("000000 shamt6 rs1 001 rd 0010011")
def slli(s: Hart, rd: int, rs1: int, shamt: Word) -> None:
    """rd = rs1 << shamt."""
    s.x[rd] = s.x[rs1] << shamt


@insn("000000 shamt6 rs1 101 rd 0010011")
def srli(s: Hart, rd: int, rs1: int, shamt: Word) -> None:
    """rd = rs1 >> shamt, zeros entering."""
    s.x[rd] = s.x[rs1] >> shamt


@insn("010000 shamt6 rs1 101 rd 0010011")
def srai(s: Hart, rd: int, rs1: int, shamt: Word) -> None:
    """rd = rs1 >> shamt, copies of the sign entering."""
    s.x[rd] = s.x[rs1].sra(shamt)


# Register and register (Unpriv. 2.4.2). Shifts use the low six bits of rs2 (4.2.2).


@insn("0000000 rs2 rs1 000 rd 0110011")
def add(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 + rs2, wrapping."""
    s.x[rd] = s.x[rs1] + s.x[rs2]


@insn("0100000 rs2 rs1 000 rd 0110011")
def sub(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 - rs2, wrapping."""
    s.x[rd] = s.x[rs1] - s.x[rs2]


@insn("0000000 rs2 rs1 001 rd 0110011")
def sll(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 << rs2."""
    s.x[rd] = s.x[rs1] << (s.x[rs2] & 63)


@insn("0000000 rs2 rs1 010 rd 0110011")
def slt(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = 1 if rs1 < rs2, signed, else 0."""
    s.x[rd] = 1 if s.x[rs1].slt(s.x[rs2]) else 0


@insn("0000000 rs2 rs1 011 rd 0110011")
def sltu(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = 1 if rs1 < rs2, unsigned, else 0."""
    s.x[rd] = 1 if s.x[rs1] < s.x[rs2] else 0


@insn("0000000 rs2 rs1 100 rd 0110011")
def xor(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 ^ rs2."""
    s.x[rd] = s.x[rs1] ^ s.x[rs2]


@insn("0000000 rs2 rs1 101 rd 0110011")
def srl(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 >> rs2, zeros entering."""
    s.x[rd] = s.x[rs1] >> (s.x[rs2] & 63)


@insn("0100000 rs2 rs1 101 rd 0110011")
def sra(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 >> rs2, copies of the sign entering."""
    s.x[rd] = s.x[rs1].sra(s.x[rs2] & 63)


@insn("0000000 rs2 rs1 110 rd 0110011")
def or_(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 | rs2."""
    s.x[rd] = s.x[rs1] | s.x[rs2]


@insn("0000000 rs2 rs1 111 rd 0110011")
def and_(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 & rs2."""
    s.x[rd] = s.x[rs1] & s.x[rs2]


# The same on 32-bit words, results sign-extended (Unpriv. 4.2).


@insn("imm[11:0] rs1 000 rd 0011011")
def addiw(s: Hart, rd: int, rs1: int, imm: Word) -> None:
    """rd = low word of rs1 + imm."""
    s.x[rd] = (s.x[rs1] + imm).sext(32)


@insn("0000000 shamt5 rs1 001 rd 0011011")
def slliw(s: Hart, rd: int, rs1: int, shamt: Word) -> None:
    """rd = low word of rs1 << shamt."""
    s.x[rd] = (s.x[rs1] << shamt).sext(32)


@insn("0000000 shamt5 rs1 101 rd 0011011")
def srliw(s: Hart, rd: int, rs1: int, shamt: Word) -> None:
    """rd = word rs1 >> shamt, zeros entering."""
    s.x[rd] = (s.x[rs1].zext(32) >> shamt).sext(32)


@insn("0100000 shamt5 rs1 101 rd 0011011")
def sraiw(s: Hart, rd: int, rs1: int, shamt: Word) -> None:
    """rd = word rs1 >> shamt, copies of bit 31 entering."""
    s.x[rd] = s.x[rs1].sext(32).sra(shamt)


@insn("0000000 rs2 rs1 000 rd 0111011")
def addw(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = low word of rs1 + rs2."""
    s.x[rd] = (s.x[rs1] + s.x[rs2]).sext(32)


@insn("0100000 rs2 rs1 000 rd 0111011")
def subw(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = low word of rs1 - rs2."""
    s.x[rd] = (s.x[rs1] - s.x[rs2]).sext(32)


@insn("0000000 rs2 rs1 001 rd 0111011")
def sllw(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = low word of rs1 << low five bits of rs2."""
    s.x[rd] = (s.x[rs1] << (s.x[rs2] & 31)).sext(32)


@insn("0000000 rs2 rs1 101 rd 0111011")
def srlw(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = word rs1 >> low five bits of rs2, zeros entering."""
    s.x[rd] = (s.x[rs1].zext(32) >> (s.x[rs2] & 31)).sext(32)


@insn("0100000 rs2 rs1 101 rd 0111011")
def sraw(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = word rs1 >> low five bits of rs2, copies of bit 31 entering."""
    s.x[rd] = s.x[rs1].sext(32).sra(s.x[rs2] & 31)


# Fences order nothing here: harts take turns, and fetches always see memory (Unpriv. 2.7, 5).
# Reserved fm, rs1 and rd values must be ignored, so one pattern takes them all.


@insn("fm pred succ rs1 000 rd 0001111", asm="pred, succ")
def fence(s: Hart) -> None:
    """Order memory accesses: already so."""


@insn("1000 0011 0011 00000 000 00000 0001111")
def fence_tso(s: Hart) -> None:
    """Order memory accesses as TSO does: already so."""


@insn("0000 0001 0000 00000 000 00000 0001111", ext="Zihintpause")
def pause(s: Hart) -> None:
    """A hint that this is a spin loop: nobody is waiting for the pipeline."""


@insn("imm[11:0] rs1 001 rd 0001111", ext="Zifencei")
def fence_i(s: Hart) -> None:
    """Make stores visible to fetches: they already are."""
