"""The bare-metal program that runs the cases: machine code for the hart under test.

In M-mode it takes record after record, loads the hart from it, and enters the case by MRET. Any
trap to M-mode ends the case; the program then stores the hart into the record. The supervisor's
trap vectors hold ECALLs, which end the case with all registers as the supervisor found them.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from conformance import layout as at
from conformance.assembler import Assembler
from instructions import encode

_RECORD, _T1, _T2 = 31, 30, 29
_FS: Final = 3 << 13
_VECTORS: Final = 16


@cache
def harness() -> tuple[bytes, dict[str, int]]:
    """(code to be placed at HARNESS, its labels)."""
    asm = Assembler(at.HARNESS)
    _start(asm)
    _next(asm)
    _load_full(asm)
    _load_light(asm)
    _save_light(asm)
    _save_full(asm)
    _vectors(asm)
    code = asm.finish()
    assert len(code) <= at.CURSOR - at.HARNESS
    return code, asm.labels


def supervisor_vectors() -> bytes:
    """One ECALL for each vector: mepc tells which was used."""
    return encode("ecall").to_bytes(4, "little") * _VECTORS


def _start(asm: Assembler) -> None:
    """From whatever reset leaves to the state of rest."""
    asm.label("start")
    asm.csr_read(1, "mhartid")
    asm.branch("beq", "first", rs1=1)
    asm.label("parked")
    asm.emit("wfi")
    asm.branch("jal", "parked")
    asm.label("first")
    _rest(asm)


def _next(asm: Assembler) -> None:
    """Take the next record, or end the program."""
    asm.label("next")
    asm.constant(_T1, at.CURSOR)
    asm.load(_T2, _T1, 0)
    asm.load(_RECORD, _T2, 0)
    asm.branch("beq", "over", rs1=_RECORD)
    asm.emit("addi", rd=_T2, rs1=_T2, imm=8)
    asm.store(_T2, _T1, 0)
    asm.csr_write("mscratch", _RECORD)
    asm.load(_T1, _RECORD, at.SETUP)
    asm.emit("jalr", rs1=_T1)
    asm.label("over")
    asm.constant(_T1, at.FINISHER)
    asm.constant(_T2, at.FINISHER_PASS)
    asm.emit("sw", rs1=_T1, rs2=_T2)
    asm.label("stay")
    asm.branch("jal", "stay")


def _load_full(asm: Assembler) -> None:
    """Memory, timers and privileged registers; then the rest as in a light record."""
    asm.label("load_full")
    asm.emit("addi", rd=1, imm=at.POKE_COUNT)
    asm.emit("addi", rd=2, rs1=_RECORD, imm=8 * at.POKES)
    asm.label("poke")
    asm.load(3, 2, 0)
    asm.load(4, 2, 1)
    asm.branch("beq", "poked", rs1=3)
    asm.store(4, 3, 0)
    asm.emit("addi", rd=2, rs1=2, imm=16)
    asm.emit("addi", rd=1, rs1=1, imm=-1)
    asm.branch("bne", "poke", rs1=1)
    asm.label("poked")
    for slot, address, store in (
        (at.MSIP_SLOT, at.MSIP, "sw"),
        (at.MTIMECMP_SLOT, at.MTIMECMP, "sd"),
    ):
        asm.constant(1, address)
        asm.load(2, _RECORD, slot)
        asm.emit(store, rs1=1, rs2=2)
    for name in at.CSRS:
        asm.load(1, _RECORD, at.CSR_SLOT[name])
        asm.csr_write(name, 1)
    asm.emit("sfence.vma")


def _load_light(asm: Assembler) -> None:
    """Floating-point registers, status, integer registers; then into the case."""
    asm.branch("jal", "load_registers")
    asm.label("rest_and_load_light")
    _rest(asm)
    asm.label("load_light")
    # What a case might read must not come from the one before, which may have differed.
    for name in ("sscratch", "scause", "stval"):
        asm.csr_write(name, 0)
    asm.label("load_registers")
    asm.csr_write("mtval", 0)
    _fpu_on(asm, 1)
    for i in range(32):
        asm.emit("fld", rd=i, rs1=_RECORD, imm=8 * (at.F + i))
    for name, slot in (("fcsr", at.FCSR), ("mstatus", at.MSTATUS), ("mepc", at.ENTRY)):
        asm.load(1, _RECORD, slot)
        asm.csr_write(name, 1)
    for i in range(1, _RECORD):
        asm.load(i, _RECORD, at.X + i)
    asm.load(_RECORD, _RECORD, at.X + _RECORD)
    asm.emit("mret")


def _vectors(asm: Assembler) -> None:
    """The trap vectors, and a stub for each that notes in x2 which it was."""
    asm.code += bytes(at.MACHINE_VECTORS - asm.here)
    for i in range(_VECTORS):
        asm.branch("jal", f"vector{i}")
    for i in range(_VECTORS):
        asm.label(f"vector{i}")
        asm.emit("csrrw", rd=1, rs1=1, csr=0x340)
        asm.store(2, 1, at.X + 2)
        asm.emit("addi", rd=2, imm=i)
        asm.branch("jal", "save")


def _save_light(asm: Assembler) -> None:
    asm.label("save")
    for i in range(3, 32):
        asm.store(i, 1, at.X + i)
    asm.emit("addi", rd=_RECORD, rs1=1)
    asm.store(2, _RECORD, at.VECTOR)
    for name, slot in (
        ("mscratch", at.X + 1),
        ("mcause", at.MCAUSE),
        ("mepc", at.MEPC),
        ("mtval", at.MTVAL),
        ("mstatus", at.MSTATUS),
    ):
        asm.csr_read(1, name)
        asm.store(1, _RECORD, slot)
    asm.csr_write("mstatus", 0)
    _fpu_on(asm, 1)
    asm.csr_read(1, "fcsr")
    asm.store(1, _RECORD, at.FCSR)
    for i in range(32):
        asm.emit("fsd", rs2=i, rs1=_RECORD, imm=8 * (at.F + i))
    asm.load(1, _RECORD, at.SAVE)
    asm.emit("jalr", rs1=1)


def _save_full(asm: Assembler) -> None:
    """Privileged registers and memory too. Before the next light record, `_rest` is due."""
    asm.label("save_full")
    for name in at.CSRS:
        asm.csr_read(1, name)
        asm.store(1, _RECORD, at.CSR_SLOT[name])
    # An entry that covers a part of an access refuses it to M-mode, too (Priv. 3.7.1).
    asm.csr_write("pmpcfg0", 0)
    asm.csr_write("pmpcfg2", 0)
    asm.emit("addi", rd=1, imm=at.POKE_COUNT)
    asm.emit("addi", rd=2, rs1=_RECORD, imm=8 * at.POKES)
    asm.label("pick")
    asm.load(3, 2, 0)
    asm.branch("beq", "picked", rs1=3)
    asm.load(4, 3, 0)
    asm.store(4, 2, 1)
    asm.store(0, 3, 0)
    asm.emit("addi", rd=2, rs1=2, imm=16)
    asm.emit("addi", rd=1, rs1=1, imm=-1)
    asm.branch("bne", "pick", rs1=1)
    asm.label("picked")
    asm.branch("jal", "next")


def _rest(asm: Assembler) -> None:
    """What light records rely on: no interrupts, no translation, memory open to every mode."""
    asm.constant(1, at.MSIP)
    asm.emit("sw", rs1=1)
    asm.constant(1, at.MTIMECMP)
    asm.constant(2, at.MAXIMUM)
    asm.emit("sd", rs1=1, rs2=2)
    for name in at.CSRS:
        value = at.CSR_DEFAULTS.get(name, 0)
        asm.constant(1, value)
        asm.csr_write(name, 1)
    asm.emit("sfence.vma")


def _fpu_on(asm: Assembler, scratch: int) -> None:
    asm.emit("lui", rd=scratch, imm=_FS)
    asm.emit("csrrs", rs1=scratch, csr=0x300)
