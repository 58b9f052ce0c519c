"""A guest that says something, waits for keys, says it again for each, and powers off."""

from __future__ import annotations

from pathlib import Path

from conformance.assembler import Assembler

BASE = 0x8000_0000
UART, FINISHER, PASS = 0x1000_0000, 0x10_0000, 0x5555
A0, A1, A2, A3, A4 = 10, 11, 12, 13, 14


def speaker(path: Path, text: bytes, keys: int = 0) -> Path:
    """Writes the guest to `path`, to be given as a kernel without firmware."""
    code = Assembler(BASE)
    code.emit("lui", rd=A0, imm=UART)
    code.emit("addi", rd=A2, rs1=0, imm=keys)
    code.label("say")
    for byte in text:
        code.emit("addi", rd=A1, rs1=0, imm=byte)
        code.emit("sb", rs1=A0, rs2=A1, imm=0)
    code.branch("beq", "done", rs1=A2, rs2=0)
    code.emit("addi", rd=A2, rs1=A2, imm=-1)
    code.label("wait")
    code.emit("lbu", rd=A1, rs1=A0, imm=5)
    code.emit("andi", rd=A1, rs1=A1, imm=1)
    code.branch("beq", "wait", rs1=A1, rs2=0)
    code.emit("lbu", rd=A1, rs1=A0, imm=0)
    code.branch("beq", "say", rs1=0, rs2=0)
    code.label("done")
    code.emit("lui", rd=A3, imm=FINISHER)
    code.emit("lui", rd=A4, imm=PASS & ~0xFFF)
    code.emit("addi", rd=A4, rs1=A4, imm=PASS & 0xFFF)
    code.emit("sw", rs1=A3, rs2=A4, imm=0)
    path.write_bytes(code.finish())
    return path
