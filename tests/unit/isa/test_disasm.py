"""Decoding and disassembly: a word of every instruction, odd cases, and GNU objdump's opinion."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from instructions import encode
from lockstep.isa.disasm import disassemble
from lockstep.isa.table import decode, table

PC = 0x8000_0000
# Made once with GNU as and objdump, then kept: "word text" of each instruction at PC.
KNOWN = [
    line.split(maxsplit=1)
    for line in Path(__file__).with_name("encodings.txt").read_text("ascii").splitlines()
]


@pytest.mark.parametrize(("word", "text"), KNOWN)
def test_known_encodings(word: str, text: str) -> None:
    assert disassemble(int(word, 16), PC) == text


def test_every_instruction_has_a_known_encoding() -> None:
    known = [decode(int(word, 16)) for word, _ in KNOWN]
    assert [one.name for one in table() if one not in known] == []


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (encode("lw", rd=10, rs1=2, imm=8), "lw a0, 8(sp)"),
        (encode("sd", rs2=8, rs1=2, imm=-16), "sd s0, -16(sp)"),
        (encode("beq", rs1=10, rs2=0, imm=-4), "beq a0, zero, 0x7ffffffc"),
        (encode("c.j", imm=16), "c.j 0x80000010"),
        (encode("lui", rd=5, imm=-4096), "lui t0, 0xfffff"),
        (encode("amoadd.w", rd=10, rs1=11, rs2=12) | 3 << 25, "amoadd.w.aqrl a0, a2, (a1)"),
        (encode("lr.d", rd=10, rs1=11) | 2 << 25, "lr.d.aq a0, (a1)"),
        (encode("sc.d", rd=10, rs1=11, rs2=12) | 1 << 25, "sc.d.rl a0, a2, (a1)"),
        (encode("fadd.d", rd=10, rs1=11, rs2=12, rm=7), "fadd.d fa0, fa1, fa2"),
        (encode("fadd.d", rd=10, rs1=11, rs2=12, rm=1), "fadd.d fa0, fa1, fa2, rtz"),
        (encode("fsd", rs2=8, rs1=2, imm=8), "fsd fs0, 8(sp)"),
        (encode("csrrw", rd=0, rs1=10, csr=0x180), "csrrw zero, satp, a0"),
        (encode("csrrwi", rd=0, zimm=31, csr=0x7FF), "csrrwi zero, 0x7ff, 31"),
        (encode("csrr", rd=10, csr=0x300), "csrr a0, mstatus"),
        (0x0FF0_000F, "fence iorw, iorw"),
        (0x0000_000F, "fence 0, 0"),
        (0x0000_0000, ".half 0x0000"),
        (0xFFFF_FFFF, ".word 0xffffffff"),
    ],
)
def test_operand_syntax(word: int, text: str) -> None:
    assert disassemble(word, PC) == text


def test_targets_wrap_around() -> None:
    assert disassemble(encode("c.j", imm=-2), 0) == "c.j 0xfffffffffffffffe"


MARCH = "rv64gc_zicsr_zifencei_zihintpause_zba_zbb_zbc_zbs_zicbom_zicboz"
objdump = pytest.mark.skipif(
    not all(shutil.which(f"riscv64-linux-gnu-{tool}") for tool in ("as", "objcopy", "objdump")),
    reason="needs binutils-riscv64-linux-gnu",
)


def dumped(code: bytes, folder: Path) -> dict[int, str]:
    """objdump's text by offset, with numbers, blanks and immaterial spellings made alike."""
    (folder / "code.bin").write_bytes(code)
    (folder / "nop.s").write_text("nop\n")
    for command in (
        f"as -march={MARCH} -o nop.o nop.s",
        "objcopy --update-section .text=code.bin nop.o code.o",
    ):
        subprocess.run(f"riscv64-linux-gnu-{command}".split(), cwd=folder, check=True)
    printed = subprocess.run(
        ["riscv64-linux-gnu-objdump", "-d", "-M", "no-aliases", "code.o"],
        cwd=folder, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    found = re.findall(r"^ *([0-9a-f]+):\t[0-9a-f]+ *\t(.*)$", printed, re.MULTILINE)
    return {int(at, 16): alike(text, bare_targets=True) for at, text in found}


def alike(text: str, *, bare_targets: bool = False) -> str:
    name, _, operands = re.sub(r"\s*[<#].*", "", text).replace("\t", " ").partition(" ")
    operands = operands.replace(" ", "")
    if bare_targets and re.match(r"(c\.)?(b(eq|ne|lt|ge)|j(al)?$)", name):
        operands = re.sub(r"(^|,)([0-9a-f]+)$", r"\g<1>0x\2", operands)
    operands = re.sub(r"\b0x[0-9a-f]+", lambda m: str(int(m[0], 16)), operands)
    return f"{name} {operands}".strip()


def spelled(text: str) -> str:
    """Our text the way objdump would put it."""
    if text.startswith("c.nop"):
        return "c.addi zero"
    name, _, operands = text.partition(" ")
    if re.fullmatch(r"c\.(slli|srli|srai)", name) and operands.endswith(",0"):
        return f"{name}64 {operands[:-2]}"
    return re.sub(r"(fcvt\.d\.(w|wu|s) .*),rne$", r"\1", text)


@objdump
def test_objdump_agrees_on_every_compressed_word(tmp_path: Path) -> None:
    words = [word for word in range(1 << 16) if word & 3 != 3]
    theirs = dumped(b"".join(w.to_bytes(2, "little") for w in words), tmp_path)
    differing = []
    for index, word in enumerate(words):
        text, other = alike(disassemble(word, 2 * index)), theirs[2 * index]
        # Reserved or defined to be illegal, though objdump has a name for them.
        lenient = word in {0x0000, 0x6101}
        unknown = text.startswith(".half") and (other.startswith(".2byte") or lenient)
        nop = text.startswith("c.nop") and other.startswith("c.addi zero,")
        if not (unknown or nop or spelled(text) == other):
            differing.append((hex(word), text, other))
    assert differing == []


@objdump
def test_objdump_agrees_on_samples_of_every_instruction(tmp_path: Path) -> None:
    chance = random.Random(2)
    words = []
    for one in table():
        encoding = one.encoding
        for _ in range(40 if one.length == 4 else 0):
            words.append(chance.getrandbits(32) & ~encoding.mask | encoding.match)
    theirs = dumped(b"".join(w.to_bytes(4, "little") for w in words), tmp_path)
    differing = []
    for index, word in enumerate(words):
        text, other = alike(disassemble(word, 4 * index)), theirs[4 * index]
        if not (excused(word) or spelled(text) == other):
            differing.append((hex(word), text, other))
    assert differing == []


def excused(word: int) -> bool:
    """Encodings for which objdump has another spelling, or none."""
    one = decode(word)
    assert one
    operands = one.operands(word)
    if "csr" in operands:
        return True  # it knows more names, and CSRR only as an alias
    if one.name in {"fence", "fence.i"}:
        return True  # it does not ignore the reserved fields, and calls 0 "unknown"
    if one.name in {"fcvt.d.w", "fcvt.d.wu", "fcvt.d.s"} and operands["rm"]:
        return True  # exact: it expects rm to be 0
    return operands.get("rm") in {5, 6}
