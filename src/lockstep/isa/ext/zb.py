"""Zba, Zbb, Zbc and Zbs: addresses, basic, carry-less and single-bit manipulation (Unpriv. 28)."""

from __future__ import annotations

from lockstep.isa.privileged import ILLEGAL_INSTRUCTION
from lockstep.isa.sem import Hart, outlined, sem
from lockstep.isa.state import ZBC
from lockstep.isa.table import insn
from lockstep.isa.values import Word

# Zba: addresses into arrays.


@insn("0000100 rs2 rs1 000 rd 0111011", ext="Zba")
def add_uw(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = unsigned word rs1 + rs2."""
    s.x[rd] = s.x[rs1].zext(32) + s.x[rs2]


@insn("0010000 rs2 rs1 010 rd 0110011", ext="Zba")
def sh1add(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 * 2 + rs2."""
    s.x[rd] = (s.x[rs1] << 1) + s.x[rs2]


@insn("0010000 rs2 rs1 100 rd 0110011", ext="Zba")
def sh2add(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 * 4 + rs2."""
    s.x[rd] = (s.x[rs1] << 2) + s.x[rs2]


@insn("0010000 rs2 rs1 110 rd 0110011", ext="Zba")
def sh3add(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 * 8 + rs2."""
    s.x[rd] = (s.x[rs1] << 3) + s.x[rs2]


@insn("0010000 rs2 rs1 010 rd 0111011", ext="Zba")
def sh1add_uw(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = unsigned word rs1 * 2 + rs2."""
    s.x[rd] = (s.x[rs1].zext(32) << 1) + s.x[rs2]


@insn("0010000 rs2 rs1 100 rd 0111011", ext="Zba")
def sh2add_uw(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = unsigned word rs1 * 4 + rs2."""
    s.x[rd] = (s.x[rs1].zext(32) << 2) + s.x[rs2]


@insn("0010000 rs2 rs1 110 rd 0111011", ext="Zba")
def sh3add_uw(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = unsigned word rs1 * 8 + rs2."""
    s.x[rd] = (s.x[rs1].zext(32) << 3) + s.x[rs2]


@insn("000010 shamt6 rs1 001 rd 0011011", ext="Zba")
def slli_uw(s: Hart, rd: int, rs1: int, shamt: Word) -> None:
    """rd = unsigned word rs1 << shamt."""
    s.x[rd] = s.x[rs1].zext(32) << shamt


# Zbb: logic with a complement.


@insn("0100000 rs2 rs1 111 rd 0110011", ext="Zbb")
def andn(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 & ~rs2."""
    s.x[rd] = s.x[rs1] & ~s.x[rs2]


@insn("0100000 rs2 rs1 110 rd 0110011", ext="Zbb")
def orn(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 | ~rs2."""
    s.x[rd] = s.x[rs1] | ~s.x[rs2]


@insn("0100000 rs2 rs1 100 rd 0110011", ext="Zbb")
def xnor(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = ~(rs1 ^ rs2)."""
    s.x[rd] = ~(s.x[rs1] ^ s.x[rs2])


# Zbb: counting.


@insn("0110000 00000 rs1 001 rd 0010011", ext="Zbb")
def clz(s: Hart, rd: int, rs1: int) -> None:
    """rd = number of leading zeros in rs1; 64 of zero."""
    s.x[rd] = s.x[rs1].clz()


@insn("0110000 00001 rs1 001 rd 0010011", ext="Zbb")
def ctz(s: Hart, rd: int, rs1: int) -> None:
    """rd = number of trailing zeros in rs1; 64 of zero."""
    s.x[rd] = s.x[rs1].ctz()


@insn("0110000 00010 rs1 001 rd 0010011", ext="Zbb")
def cpop(s: Hart, rd: int, rs1: int) -> None:
    """rd = number of ones in rs1."""
    s.x[rd] = s.x[rs1].popcount()


@insn("0110000 00000 rs1 001 rd 0011011", ext="Zbb")
def clzw(s: Hart, rd: int, rs1: int) -> None:
    """rd = number of leading zeros in word rs1; 32 of zero."""
    s.x[rd] = s.x[rs1].to(32).clz().to(64)


@insn("0110000 00001 rs1 001 rd 0011011", ext="Zbb")
def ctzw(s: Hart, rd: int, rs1: int) -> None:
    """rd = number of trailing zeros in word rs1; 32 of zero."""
    s.x[rd] = s.x[rs1].to(32).ctz().to(64)


@insn("0110000 00010 rs1 001 rd 0011011", ext="Zbb")
def cpopw(s: Hart, rd: int, rs1: int) -> None:
    """rd = number of ones in word rs1."""
    s.x[rd] = s.x[rs1].to(32).popcount().to(64)


# Zbb: minimum and maximum.


@insn("0000101 rs2 rs1 110 rd 0110011", ext="Zbb")
def max(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = the greater, signed, of rs1 and rs2."""
    a, b = s.x[rs1], s.x[rs2]
    s.x[rd] = b if a.slt(b) else a


@insn("0000101 rs2 rs1 111 rd 0110011", ext="Zbb")
def maxu(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = the greater, unsigned, of rs1 and rs2."""
    a, b = s.x[rs1], s.x[rs2]
    s.x[rd] = b if a < b else a


@insn("0000101 rs2 rs1 100 rd 0110011", ext="Zbb")
def min(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = the lesser, signed, of rs1 and rs2."""
    a, b = s.x[rs1], s.x[rs2]
    s.x[rd] = a if a.slt(b) else b


@insn("0000101 rs2 rs1 101 rd 0110011", ext="Zbb")
def minu(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = the lesser, unsigned, of rs1 and rs2."""
    a, b = s.x[rs1], s.x[rs2]
    s.x[rd] = a if a < b else b


# Zbb: sign and zero extension.


@insn("0110000 00100 rs1 001 rd 0010011", ext="Zbb")
def sext_b(s: Hart, rd: int, rs1: int) -> None:
    """rd = low byte of rs1, sign-extended."""
    s.x[rd] = s.x[rs1].sext(8)


@insn("0110000 00101 rs1 001 rd 0010011", ext="Zbb")
def sext_h(s: Hart, rd: int, rs1: int) -> None:
    """rd = low halfword of rs1, sign-extended."""
    s.x[rd] = s.x[rs1].sext(16)


@insn("0000100 00000 rs1 100 rd 0111011", ext="Zbb")
def zext_h(s: Hart, rd: int, rs1: int) -> None:
    """rd = low halfword of rs1, zero-extended."""
    s.x[rd] = s.x[rs1].zext(16)


# Zbb: rotation. Of a word: two copies of it side by side, shifted.


@insn("0110000 rs2 rs1 001 rd 0110011", ext="Zbb")
def rol(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 rotated left by rs2."""
    count = s.x[rs2] & 63
    s.x[rd] = (s.x[rs1] << count) | (s.x[rs1] >> (-count & 63))


@insn("0110000 rs2 rs1 101 rd 0110011", ext="Zbb")
def ror(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 rotated right by rs2."""
    count = s.x[rs2] & 63
    s.x[rd] = (s.x[rs1] >> count) | (s.x[rs1] << (-count & 63))


@insn("011000 shamt6 rs1 101 rd 0010011", ext="Zbb")
def rori(s: Hart, rd: int, rs1: int, shamt: Word) -> None:
    """rd = rs1 rotated right by shamt."""
    s.x[rd] = (s.x[rs1] >> shamt) | (s.x[rs1] << (-shamt & 63))


@insn("0110000 rs2 rs1 001 rd 0111011", ext="Zbb")
def rolw(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = word rs1 rotated left by rs2, sign-extended."""
    low = s.x[rs1].zext(32)
    s.x[rd] = ((low << 32 | low) >> (32 - (s.x[rs2] & 31))).sext(32)


@insn("0110000 rs2 rs1 101 rd 0111011", ext="Zbb")
def rorw(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = word rs1 rotated right by rs2, sign-extended."""
    low = s.x[rs1].zext(32)
    s.x[rd] = ((low << 32 | low) >> (s.x[rs2] & 31)).sext(32)


@insn("0110000 shamt5 rs1 101 rd 0011011", ext="Zbb")
def roriw(s: Hart, rd: int, rs1: int, shamt: Word) -> None:
    """rd = word rs1 rotated right by shamt, sign-extended."""
    low = s.x[rs1].zext(32)
    s.x[rd] = ((low << 32 | low) >> shamt).sext(32)


# Zbb: bytes.


@insn("001010000111 rs1 101 rd 0010011", ext="Zbb")
def orc_b(s: Hart, rd: int, rs1: int) -> None:
    """Each byte of rd = 255 if that byte of rs1 has any bit set, else 0."""
    low = 0x7F7F_7F7F_7F7F_7F7F
    # A byte's top bit ends up set if its low bits carry into it, or it was set before.
    tops = (((s.x[rs1] & low) + low) | s.x[rs1]) & ~low
    s.x[rd] = (tops >> 7) * 255


@insn("011010111000 rs1 101 rd 0010011", ext="Zbb")
def rev8(s: Hart, rd: int, rs1: int) -> None:
    """rd = rs1 with its bytes in reverse order."""
    s.x[rd] = s.x[rs1].bswap()


# Zbc: products of polynomials over GF(2).


@sem
def _require_zbc(s: Hart) -> None:
    """Old machines do not have it."""
    if (s.features & ZBC) == 0:
        s.trap(ILLEGAL_INSTRUCTION, s.insn_word())


@outlined
def _carryless_low(s: Hart, left: Word, right: Word) -> Word:
    """The lower 64 bits of the product."""
    product = s.const(0)
    i = s.const(0)
    while i < 64:
        product = product ^ ((left << i) & (s.const(0) - (right >> i & 1)))
        i = i + 1
    return product


@outlined
def _carryless_high(s: Hart, left: Word, right: Word) -> Word:
    """Bits 126 to 63 of the product: its upper bits, as bit 127 is always 0."""
    product = s.const(0)
    i = s.const(0)
    while i < 64:
        product = product ^ ((left >> (63 - i)) & (s.const(0) - (right >> i & 1)))
        i = i + 1
    return product


@insn("0000101 rs2 rs1 001 rd 0110011", ext="Zbc")
def clmul(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = the carry-less product of rs1 and rs2, lower half."""
    _require_zbc(s)
    s.x[rd] = _carryless_low(s, s.x[rs1], s.x[rs2])


@insn("0000101 rs2 rs1 011 rd 0110011", ext="Zbc")
def clmulh(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = the carry-less product of rs1 and rs2, upper half."""
    _require_zbc(s)
    s.x[rd] = _carryless_high(s, s.x[rs1], s.x[rs2]) >> 1


@insn("0000101 rs2 rs1 010 rd 0110011", ext="Zbc")
def clmulr(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = the carry-less product of rs1 and rs2, bits 126 to 63."""
    _require_zbc(s)
    s.x[rd] = _carryless_high(s, s.x[rs1], s.x[rs2])


# Zbs: single bits.


@insn("0100100 rs2 rs1 001 rd 0110011", ext="Zbs")
def bclr(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 with bit rs2 clear."""
    s.x[rd] = s.x[rs1] & ~(s.const(1) << (s.x[rs2] & 63))


@insn("010010 shamt6 rs1 001 rd 0010011", ext="Zbs")
def bclri(s: Hart, rd: int, rs1: int, shamt: Word) -> None:
    """rd = rs1 with bit shamt clear."""
    s.x[rd] = s.x[rs1] & ~(s.const(1) << shamt)


@insn("0100100 rs2 rs1 101 rd 0110011", ext="Zbs")
def bext(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = bit rs2 of rs1."""
    s.x[rd] = s.x[rs1] >> (s.x[rs2] & 63) & 1


@insn("010010 shamt6 rs1 101 rd 0010011", ext="Zbs")
def bexti(s: Hart, rd: int, rs1: int, shamt: Word) -> None:
    """rd = bit shamt of rs1."""
    s.x[rd] = s.x[rs1] >> shamt & 1


@insn("0110100 rs2 rs1 001 rd 0110011", ext="Zbs")
def binv(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 with bit rs2 inverted."""
    s.x[rd] = s.x[rs1] ^ (s.const(1) << (s.x[rs2] & 63))


@insn("011010 shamt6 rs1 001 rd 0010011", ext="Zbs")
def binvi(s: Hart, rd: int, rs1: int, shamt: Word) -> None:
    """rd = rs1 with bit shamt inverted."""
    s.x[rd] = s.x[rs1] ^ (s.const(1) << shamt)


@insn("0010100 rs2 rs1 001 rd 0110011", ext="Zbs")
def bset(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """rd = rs1 with bit rs2 set."""
    s.x[rd] = s.x[rs1] | (s.const(1) << (s.x[rs2] & 63))


@insn("001010 shamt6 rs1 001 rd 0010011", ext="Zbs")
def bseti(s: Hart, rd: int, rs1: int, shamt: Word) -> None:
    """rd = rs1 with bit shamt set."""
    s.x[rd] = s.x[rs1] | (s.const(1) << shamt)
