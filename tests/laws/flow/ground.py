"""What generated programs run on: where things are, how a hart gets there, and the trap handler.

Whatever traps is counted, folded into a number and skipped, so that a program goes on after every
fault; a call to where nothing can be fetched returns at once. A timer interrupt is folded too, and
sets the timer again.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from conformance.assembler import Assembler
from lockstep.isa.csrs import CSR_NUMBERS

U, S, M = 0, 1, 3
PAGE: Final = 0x1000
RAM: Final = 0x8000_0000
RAM_SIZE: Final = 0x2_0000
SETUP: Final = RAM
HANDLER: Final = RAM + 0x1000
CODE: Final = RAM + 0x2000  # and three pages more; a program starts anywhere on the first
CODE_PAGES: Final = 4
DATA: Final = RAM + 0x8000
BUILT: Final = DATA + 0x800  # functions of one instruction
FIXED: Final = RAM + 0x9000  # may be read only, where there is paging
REFUSED: Final = RAM + 0xA000  # by PMP, to everybody
STACKS: Final = RAM + 0xB000
SAVES: Final = RAM + 0xC000  # a block a hart, for the handler
TABLES: Final = RAM + 0x1_0000
DEVICE: Final = 0x1000_0000
DEVICE_SIZE: Final = 0x20
TIMERS: Final = 0x200_4000

WINDOW: Final = 0x4000_0000  # virtual pages:
PLAIN, NOTHING, READ_ONLY, NO_ACCESS_YET, REGISTERS, CODE_AGAIN = 0, 1, 2, 5, 4, 8

# Slots of a hart's save block; the counts of exceptions by cause come after them.
SPARE, FOLD, TIMER, PERIOD, INTERRUPTS, CAUSES = 0, 4, 5, 6, 7, 16
SAVE_BYTES: Final = 0x200
STACK_BYTES: Final = 0x400

HARTID, STACK, DATA_POINTER, EDGE, REGISTER_POINTER, BAD = 4, 2, 8, 9, 18, 19


class Conditions(NamedTuple):
    """Under which a program runs."""

    mode: int = M
    harts: int = 1
    quantum: int = 1000
    period: int = 40  # ticks between timer interrupts
    first: int = 20  # when the first comes
    edge: int = REFUSED  # the pointer near which accesses may fault in a part
    bad: int = PAGE  # where there is nothing


def handler() -> bytes:
    """M-mode's, for all traps."""
    asm = Assembler(HANDLER)
    asm.emit("csrrw", rd=31, rs1=31, csr=CSR_NUMBERS["mscratch"])
    for i in (28, 29, 30):
        asm.store(i, 31, SPARE + i - 28)
    asm.csr_read(30, "mcause")
    asm.load(29, 31, FOLD)
    for csr in ("mcause", "mepc", "mtval", "minstret"):
        asm.csr_read(28, csr)
        asm.emit("add", rd=29, rs1=29, rs2=28)
        asm.emit("slli", rd=28, rs1=29, shamt=5)
        asm.emit("sub", rd=29, rs1=28, rs2=29)
    asm.store(29, 31, FOLD)
    asm.branch("blt", "interrupt", rs1=30)
    _count_and_skip(asm)
    asm.label("back")
    for i in (28, 29, 30):
        asm.load(i, 31, SPARE + i - 28)
    asm.emit("csrrw", rd=31, rs1=31, csr=CSR_NUMBERS["mscratch"])
    asm.emit("mret")
    asm.label("interrupt")
    asm.load(28, 31, INTERRUPTS)
    asm.emit("addi", rd=28, rs1=28, imm=1)
    asm.store(28, 31, INTERRUPTS)
    asm.csr_read(30, "time")
    asm.load(29, 31, PERIOD)
    asm.emit("add", rd=30, rs1=30, rs2=29)
    asm.load(28, 31, TIMER)
    asm.store(30, 28, 0)
    asm.branch("jal", "back")
    return asm.finish()


def _count_and_skip(asm: Assembler) -> None:
    """x30 is the cause. The instruction is read as it was fetched: MPRV, MXR."""
    asm.emit("slli", rd=29, rs1=30, shamt=3)
    asm.emit("add", rd=29, rs1=29, rs2=31)
    asm.load(28, 29, CAUSES)
    asm.emit("addi", rd=28, rs1=28, imm=1)
    asm.store(28, 29, CAUSES)
    asm.emit("addi", rd=29, imm=2)
    asm.branch("bltu", "unfetched", rs1=30, rs2=29)
    asm.emit("addi", rd=29, imm=12)
    asm.branch("beq", "unfetched", rs1=30, rs2=29)
    asm.csr_read(28, "mepc")
    asm.emit("lui", rd=29, imm=1 << 17 | 1 << 19)
    asm.emit("csrrs", rs1=29, csr=CSR_NUMBERS["mstatus"])
    asm.emit("lhu", rd=30, rs1=28)
    asm.emit("csrrc", rs1=29, csr=CSR_NUMBERS["mstatus"])
    asm.emit("andi", rd=30, rs1=30, imm=3)
    asm.emit("addi", rd=30, rs1=30, imm=-3)
    asm.emit("addi", rd=28, rs1=28, imm=2)
    asm.branch("bne", "skip", rs1=30)
    asm.emit("addi", rd=28, rs1=28, imm=2)
    asm.label("skip")
    asm.csr_write("mepc", 28)
    asm.branch("jal", "back")
    asm.label("unfetched")
    asm.csr_write("mepc", 1)
    asm.branch("jal", "back")


def setup(start: int, given: Conditions) -> bytes:
    """From reset to the program, in its mode."""
    asm = Assembler(SETUP)
    asm.emit("addi", rd=HARTID, rs1=10)
    for csr, value in _registers(start, given).items():
        asm.constant(10, value)
        asm.csr_write(csr, 10)
    for register, base, size in (
        (STACK, STACKS + STACK_BYTES, STACK_BYTES),
        (31, SAVES, SAVE_BYTES),
    ):
        asm.constant(register, base)
        asm.constant(10, size)
        asm.emit("mul", rd=10, rs1=10, rs2=HARTID)
        asm.emit("add", rd=register, rs1=register, rs2=10)
    asm.csr_write("mscratch", 31)
    asm.constant(DATA_POINTER, DATA + 0x400)
    asm.constant(EDGE, given.edge)
    asm.constant(BAD, given.bad)
    asm.constant(REGISTER_POINTER, DEVICE if given.mode == M else WINDOW + REGISTERS * PAGE)
    for i in (*range(10, 18), *range(20, 32)):
        asm.constant(i, 0x9E37_79B9_7F4A_7C15 * i >> i)
    asm.emit("mret")
    return asm.finish()


def _registers(start: int, given: Conditions) -> dict[str, int]:
    return {
        "mtvec": HANDLER,
        "pmpaddr0": REFUSED >> 2 | 0x1FF,
        "pmpaddr1": (1 << 54) - 1,
        "pmpcfg0": 0x1F << 8 | 0x98,  # locked, for M-mode too: no access; all else
        "mcounteren": 7,
        "scounteren": 7,
        "satp": 0 if given.mode == M else 8 << 60 | TABLES >> 12,
        "mie": 1 << 7,
        "mepc": start,
        "mstatus": 3 << 13 | given.mode << 11 | 1 << 7,  # FS; MPP; MPIE
    }


def memory(given: Conditions) -> dict[int, bytes]:
    """Page tables and save blocks: what is in memory beside code."""
    found = dict(_tables(given.mode))
    for hart in range(given.harts):
        block = SAVES + hart * SAVE_BYTES
        found[block + 8 * TIMER] = (TIMERS + 8 * hart).to_bytes(8, "little")
        found[block + 8 * PERIOD] = given.period.to_bytes(8, "little")
    return found


def _tables(mode: int) -> dict[int, bytes]:
    """Sv39: all of main memory one to one, and the window's pages."""
    user = 1 << 4 if mode == U else 0

    def entry(physical: int, flags: int) -> bytes:
        return (physical >> 12 << 10 | flags | (user if flags & 0xE else 0)).to_bytes(8, "little")

    middle, last = TABLES + PAGE, TABLES + 2 * PAGE
    pages = {
        PLAIN: entry(DATA, 0xC7),
        READ_ONLY: entry(FIXED, 0xC3),
        NO_ACCESS_YET: entry(DATA, 0x07),
        REGISTERS: entry(DEVICE, 0xC7),
        **{CODE_AGAIN + i: entry(CODE + i * PAGE, 0xCF) for i in range(CODE_PAGES)},
    }
    return {
        TABLES + 8 * 2: entry(RAM, 0xCF),
        TABLES + 8 * 1: entry(middle, 1),
        middle: entry(last, 1),
        **{last + 8 * number: value for number, value in pages.items()},
    }
