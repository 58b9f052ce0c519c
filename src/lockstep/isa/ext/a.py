"""A: load-reserved, store-conditional and read-modify-write (Unpriv. 13).

Harts take turns between instructions, so each of these is atomic as it stands and aq/rl order
nothing. All demand natural alignment.
"""

from __future__ import annotations

from lockstep.isa.privileged import LOAD_MISALIGNED, STORE_MISALIGNED
from lockstep.isa.sem import Hart, sem
from lockstep.isa.state import NO_RESERVATION
from lockstep.isa.table import insn
from lockstep.isa.values import Word


@sem
def _load_reserved(s: Hart, addr: Word, size: int) -> Word:
    if addr & (size - 1) != 0:
        s.trap(LOAD_MISALIGNED, addr)
    value = s.load(addr, size)
    s.reservation = addr
    return value


@sem
def _store_conditional(s: Hart, addr: Word, size: int, value: Word) -> Word:
    """0 if stored, 1 if not; the reservation is gone either way. A failing SC accesses nothing."""
    if addr & (size - 1) != 0:
        s.trap(STORE_MISALIGNED, addr)
    failed = s.const(1)
    if s.reservation == addr:
        s.store(addr, size, value)
        failed = s.const(0)
    s.reservation = s.const(NO_RESERVATION)
    return failed


@insn("00010 aq rl 00000 rs1 010 rd 0101111", asm="rd, (rs1)")
def lr_w(s: Hart, rd: int, rs1: int) -> None:
    """Load a word, sign-extended, and reserve its address."""
    s.x[rd] = _load_reserved(s, s.x[rs1], 4).sext(32)


@insn("00010 aq rl 00000 rs1 011 rd 0101111", asm="rd, (rs1)")
def lr_d(s: Hart, rd: int, rs1: int) -> None:
    """Load a doubleword and reserve its address."""
    s.x[rd] = _load_reserved(s, s.x[rs1], 8)


@insn("00011 aq rl rs2 rs1 010 rd 0101111", asm="rd, rs2, (rs1)")
def sc_w(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """Store a word if its address is still reserved; rd = 0 if so."""
    s.x[rd] = _store_conditional(s, s.x[rs1], 4, s.x[rs2])


@insn("00011 aq rl rs2 rs1 011 rd 0101111", asm="rd, rs2, (rs1)")
def sc_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """Store a doubleword if its address is still reserved; rd = 0 if so."""
    s.x[rd] = _store_conditional(s, s.x[rs1], 8, s.x[rs2])


# Read-modify-write (Unpriv. 13.4): rd takes the old value, memory the new one.


@insn("00001 aq rl rs2 rs1 010 rd 0101111", asm="rd, rs2, (rs1)")
def amoswap_w(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """Exchange a word."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 4).sext(32)
    s.store(addr, 4, s.x[rs2])
    s.x[rd] = old


@insn("00000 aq rl rs2 rs1 010 rd 0101111", asm="rd, rs2, (rs1)")
def amoadd_w(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """A word in memory becomes its sum with rs2."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 4).sext(32)
    s.store(addr, 4, old + s.x[rs2])
    s.x[rd] = old


@insn("00100 aq rl rs2 rs1 010 rd 0101111", asm="rd, rs2, (rs1)")
def amoxor_w(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """A word in memory becomes its exclusive or with rs2."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 4).sext(32)
    s.store(addr, 4, old ^ s.x[rs2])
    s.x[rd] = old


@insn("01100 aq rl rs2 rs1 010 rd 0101111", asm="rd, rs2, (rs1)")
def amoand_w(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """A word in memory becomes its and with rs2."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 4).sext(32)
    s.store(addr, 4, old & s.x[rs2])
    s.x[rd] = old


@insn("01000 aq rl rs2 rs1 010 rd 0101111", asm="rd, rs2, (rs1)")
def amoor_w(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """A word in memory becomes its or with rs2."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 4).sext(32)
    s.store(addr, 4, old | s.x[rs2])
    s.x[rd] = old


@insn("10000 aq rl rs2 rs1 010 rd 0101111", asm="rd, rs2, (rs1)")
def amomin_w(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """A word in memory becomes its signed minimum with rs2."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 4).sext(32)
    rhs = s.x[rs2].sext(32)
    s.store(addr, 4, old if old.slt(rhs) else rhs)
    s.x[rd] = old


@insn("10100 aq rl rs2 rs1 010 rd 0101111", asm="rd, rs2, (rs1)")
def amomax_w(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """A word in memory becomes its signed maximum with rs2."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 4).sext(32)
    rhs = s.x[rs2].sext(32)
    s.store(addr, 4, rhs if old.slt(rhs) else old)
    s.x[rd] = old


@insn("11000 aq rl rs2 rs1 010 rd 0101111", asm="rd, rs2, (rs1)")
def amominu_w(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """A word in memory becomes its unsigned minimum with rs2."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 4).sext(32)
    rhs = s.x[rs2].sext(32)
    s.store(addr, 4, old if old < rhs else rhs)
    s.x[rd] = old


@insn("11100 aq rl rs2 rs1 010 rd 0101111", asm="rd, rs2, (rs1)")
def amomaxu_w(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """A word in memory becomes its unsigned maximum with rs2."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 4).sext(32)
    rhs = s.x[rs2].sext(32)
    s.store(addr, 4, rhs if old < rhs else old)
    s.x[rd] = old


@insn("00001 aq rl rs2 rs1 011 rd 0101111", asm="rd, rs2, (rs1)")
def amoswap_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """Exchange a doubleword."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 8)
    s.store(addr, 8, s.x[rs2])
    s.x[rd] = old


@insn("00000 aq rl rs2 rs1 011 rd 0101111", asm="rd, rs2, (rs1)")
def amoadd_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """A doubleword in memory becomes its sum with rs2."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 8)
    s.store(addr, 8, old + s.x[rs2])
    s.x[rd] = old


@insn("00100 aq rl rs2 rs1 011 rd 0101111", asm="rd, rs2, (rs1)")
def amoxor_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """A doubleword in memory becomes its exclusive or with rs2."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 8)
    s.store(addr, 8, old ^ s.x[rs2])
    s.x[rd] = old


@insn("01100 aq rl rs2 rs1 011 rd 0101111", asm="rd, rs2, (rs1)")
def amoand_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """A doubleword in memory becomes its and with rs2."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 8)
    s.store(addr, 8, old & s.x[rs2])
    s.x[rd] = old


@insn("01000 aq rl rs2 rs1 011 rd 0101111", asm="rd, rs2, (rs1)")
def amoor_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """A doubleword in memory becomes its or with rs2."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 8)
    s.store(addr, 8, old | s.x[rs2])
    s.x[rd] = old


@insn("10000 aq rl rs2 rs1 011 rd 0101111", asm="rd, rs2, (rs1)")
def amomin_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """A doubleword in memory becomes its signed minimum with rs2."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 8)
    rhs = s.x[rs2]
    s.store(addr, 8, old if old.slt(rhs) else rhs)
    s.x[rd] = old


@insn("10100 aq rl rs2 rs1 011 rd 0101111", asm="rd, rs2, (rs1)")
def amomax_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """A doubleword in memory becomes its signed maximum with rs2."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 8)
    rhs = s.x[rs2]
    s.store(addr, 8, rhs if old.slt(rhs) else old)
    s.x[rd] = old


@insn("11000 aq rl rs2 rs1 011 rd 0101111", asm="rd, rs2, (rs1)")
def amominu_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """A doubleword in memory becomes its unsigned minimum with rs2."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 8)
    rhs = s.x[rs2]
    s.store(addr, 8, old if old < rhs else rhs)
    s.x[rd] = old


@insn("11100 aq rl rs2 rs1 011 rd 0101111", asm="rd, rs2, (rs1)")
def amomaxu_d(s: Hart, rd: int, rs1: int, rs2: int) -> None:
    """A doubleword in memory becomes its unsigned maximum with rs2."""
    addr = s.x[rs1]
    old = s.load_amo(addr, 8)
    rhs = s.x[rs2]
    s.store(addr, 8, rhs if old < rhs else old)
    s.x[rd] = old
