"""Zicsr: reading and writing control and status registers (Unpriv. 6).

No CSR read here has a side effect, so CSRRW always reads. A source of x0 makes CSRRS and CSRRC
plain reads, which read-only CSRs allow: those encodings are entered as CSRR.
"""

from __future__ import annotations

from lockstep.isa.csrs import check_csr, csr_read, csr_to_modify, csr_write
from lockstep.isa.sem import Hart
from lockstep.isa.table import insn
from lockstep.isa.values import Word


@insn("csr rs1 001 rd 1110011", ext="Zicsr", asm="rd, csr, rs1")
def csrrw(s: Hart, rd: int, rs1: int, csr: Word) -> None:
    """csr = rs1; rd = the old csr."""
    check_csr(s, csr, True)
    old = csr_read(s, csr)
    csr_write(s, csr, s.x[rs1])
    s.x[rd] = old


@insn("csr rs1 010 rd 1110011", ext="Zicsr", asm="rd, csr, rs1")
def csrrs(s: Hart, rd: int, rs1: int, csr: Word) -> None:
    """Set in csr the bits that rs1 has set; rd = the old csr."""
    check_csr(s, csr, True)
    old = csr_read(s, csr)
    csr_write(s, csr, csr_to_modify(s, csr, old) | s.x[rs1])
    s.x[rd] = old


@insn("csr rs1 011 rd 1110011", ext="Zicsr", asm="rd, csr, rs1")
def csrrc(s: Hart, rd: int, rs1: int, csr: Word) -> None:
    """Clear in csr the bits that rs1 has set; rd = the old csr."""
    check_csr(s, csr, True)
    old = csr_read(s, csr)
    csr_write(s, csr, csr_to_modify(s, csr, old) & ~s.x[rs1])
    s.x[rd] = old


@insn("csr zimm 101 rd 1110011", ext="Zicsr", asm="rd, csr, zimm")
def csrrwi(s: Hart, rd: int, csr: Word, zimm: Word) -> None:
    """csr = zimm; rd = the old csr."""
    check_csr(s, csr, True)
    old = csr_read(s, csr)
    csr_write(s, csr, zimm)
    s.x[rd] = old


@insn("csr zimm 110 rd 1110011", ext="Zicsr", asm="rd, csr, zimm")
def csrrsi(s: Hart, rd: int, csr: Word, zimm: Word) -> None:
    """Set in csr the bits that zimm has set; rd = the old csr."""
    check_csr(s, csr, True)
    old = csr_read(s, csr)
    csr_write(s, csr, csr_to_modify(s, csr, old) | zimm)
    s.x[rd] = old


@insn("csr zimm 111 rd 1110011", ext="Zicsr", asm="rd, csr, zimm")
def csrrci(s: Hart, rd: int, csr: Word, zimm: Word) -> None:
    """Clear in csr the bits that zimm has set; rd = the old csr."""
    check_csr(s, csr, True)
    old = csr_read(s, csr)
    csr_write(s, csr, csr_to_modify(s, csr, old) & ~zimm)
    s.x[rd] = old


@insn("csr 00000 010 rd 1110011", ext="Zicsr", name="csrr", asm="rd, csr")
@insn("csr 00000 011 rd 1110011", ext="Zicsr", name="csrr", asm="rd, csr")
@insn("csr 00000 110 rd 1110011", ext="Zicsr", name="csrr", asm="rd, csr")
@insn("csr 00000 111 rd 1110011", ext="Zicsr", name="csrr", asm="rd, csr")
def csrr(s: Hart, rd: int, csr: Word) -> None:
    """rd = csr, without writing: CSRRS, CSRRC, CSRRSI and CSRRCI with a source of zero."""
    check_csr(s, csr, False)
    s.x[rd] = csr_read(s, csr)
