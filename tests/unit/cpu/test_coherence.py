"""What engines cache never shows: page tables, code and budgets follow memory at once."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.assembler import Assembler
from fakes.engines import ENGINES, NoBus, make_engine
from lockstep.cpu.engine import Cpu, Exit
from lockstep.cpu.layout import PAGE
from lockstep.cpu.memory import Ram
from lockstep.isa.privileged import INSTRUCTION_PAGE_FAULT

BASE = 0x8000_0000
SIZE = 1 << 20
T0, T1, T2, A0, A1, S0, S1 = 5, 6, 7, 10, 11, 8, 9


class Rig:
    """A cpu with a program in memory."""

    def __init__(self, engine: str, harts: int = 1) -> None:
        self.ram = Ram(BASE, SIZE)
        self.cpu: Cpu = make_engine(engine, harts, self.ram, NoBus(), 0)
        self.code = Assembler(BASE)

    def start(self) -> None:
        self.ram.write(BASE, self.code.finish())
        self.cpu.reset(BASE, {})

    def x(self, index: int, hart: int = 0) -> int:
        return int(self.cpu.harts[hart].x[index])


@pytest.fixture(params=ENGINES)
def rig(request: pytest.FixtureRequest) -> Rig:
    return Rig(request.param)


def spin(code: Assembler) -> None:
    """Stay here."""
    code.label("end")
    code.branch("jal", "end", rd=0)


def test_code_patched_by_the_instruction_before_it_is_seen(rig: Rig) -> None:
    """A store into the next instruction takes effect on it, without fence.i."""
    code = rig.code
    code.constant(T0, BASE + 0x100)
    code.emit("lw", rd=T1, rs1=T0, imm=0)
    code.constant(T2, BASE + 0x40)
    while code.here < BASE + 0x3C:
        code.emit("addi")
    code.emit("sw", rs1=T2, rs2=T1, imm=0)  # at 0x3c, patches 0x40
    code.emit("addi", rd=A0, imm=1)
    spin(code)
    rig.start()
    replacement = Assembler(0)
    replacement.emit("addi", rd=A0, imm=42)
    rig.ram.write(BASE + 0x100, bytes(replacement.code))
    rig.cpu.run(40)
    assert rig.x(A0) == 42


def test_a_loop_that_patches_itself_every_time_stays_right(rig: Rig) -> None:
    """Each of 200 rounds executes the immediate that it has just written."""
    code = rig.code
    code.constant(T0, BASE + 0x200)
    code.emit("lw", rd=T1, rs1=T0, imm=0)  # addi a1, a1, 0
    code.constant(T2, 1 << 20)
    code.constant(S0, 0)
    code.constant(S1, 200)
    code.constant(A1, 0)
    code.label("loop")
    code.emit("add", rd=T1, rs1=T1, rs2=T2)
    code.emit("auipc", rd=A0, imm=0)
    code.emit("sw", rs1=A0, rs2=T1, imm=8)
    code.emit("addi", rd=A1, rs1=A1, imm=0)  # patched by the store before it
    code.emit("addi", rd=S0, rs1=S0, imm=1)
    code.branch("blt", "loop", rs1=S0, rs2=S1)
    spin(code)
    rig.start()
    seed = Assembler(0)
    seed.emit("addi", rd=A1, rs1=A1, imm=0)
    rig.ram.write(BASE + 0x200, bytes(seed.code))
    rig.cpu.run(3000)
    assert rig.x(A1) == 200 * 201 // 2


def _tables(rig: Rig, leaf: int) -> None:
    """Sv39: virtual page 0 maps to `leaf`; gigapage 2 is memory itself, for S-mode."""
    root, middle, last = BASE + 0x10000, BASE + 0x11000, BASE + 0x12000
    pte = lambda address, flags: (address >> 12 << 10 | flags).to_bytes(8, "little")  # noqa: E731
    rig.ram.write(root, pte(middle, 1))
    rig.ram.write(root + 16, pte(BASE, 0xCF))
    rig.ram.write(middle, pte(last, 1))
    rig.ram.write(last, pte(leaf, 0xCF))


def _enter_supervisor(code: Assembler) -> None:
    """PMP open, Sv39 on, on in S-mode at the next instruction."""
    code.constant(T0, (1 << 54) - 1)
    code.csr_write("pmpaddr0", T0)
    code.constant(T0, 0x1F)
    code.csr_write("pmpcfg0", T0)
    code.constant(T0, 8 << 60 | (BASE + 0x10000) >> 12)
    code.csr_write("satp", T0)
    code.constant(T0, 1 << 11)
    code.csr_write("mstatus", T0)
    code.emit("auipc", rd=T0, imm=0)
    code.emit("addi", rd=T0, rs1=T0, imm=16)
    code.csr_write("mepc", T0)
    code.emit("mret")


def test_a_page_table_change_is_seen_without_sfence(rig: Rig) -> None:
    """The translation of the next access follows the entry in memory: nothing stale is used."""
    code = rig.code
    _enter_supervisor(code)
    code.constant(S0, BASE + 0x12000)  # the last-level entry
    code.constant(S1, 0x20)
    code.emit("ld", rd=A0, rs1=0, imm=0)  # through virtual 0: first frame
    code.emit("ld", rd=T1, rs1=S0, imm=0)
    code.constant(T2, 1 << 10)  # next frame
    code.emit("add", rd=T1, rs1=T1, rs2=T2)
    code.emit("sd", rs1=S0, rs2=T1, imm=0)
    code.emit("ld", rd=A1, rs1=0, imm=0)
    spin(code)
    _tables(rig, BASE + 0x20000)
    rig.start()
    rig.ram.write(BASE + 0x20000, (11).to_bytes(8, "little"))
    rig.ram.write(BASE + 0x21000, (22).to_bytes(8, "little"))
    rig.cpu.run(100)
    assert (rig.x(A0), rig.x(A1)) == (11, 22)


def test_a_revoked_write_permission_faults_at_the_next_store(rig: Rig) -> None:
    """Clearing W in the entry makes the very next store fault, though it was just allowed."""
    code = rig.code
    code.constant(T0, BASE + 0x800)
    code.csr_write("mtvec", T0)
    _enter_supervisor(code)
    code.constant(S0, BASE + 0x12000)
    code.emit("sd", rs1=0, rs2=S0, imm=8)
    code.emit("ld", rd=T1, rs1=S0, imm=0)
    code.emit("andi", rd=T1, rs1=T1, imm=~4)
    code.emit("sd", rs1=S0, rs2=T1, imm=0)
    faulting = code.here
    code.emit("sd", rs1=0, rs2=S0, imm=16)
    spin(code)
    while code.here < BASE + 0x800:
        code.emit("addi")
    code.label("trap")
    code.branch("jal", "trap", rd=0)
    _tables(rig, BASE + 0x20000)
    rig.start()
    rig.cpu.run(200)
    hart = rig.cpu.harts[0]
    assert (hart.mcause, hart.mepc, hart.mtval) == (15, faulting, 16)


@pytest.mark.parametrize("step", [1, 100])
def test_a_page_that_unmaps_itself_faults_at_the_next_instruction(rig: Rig, step: int) -> None:
    """The translation of pc is as fresh as any other, wherever the run is cut."""
    code = rig.code
    code.constant(T0, BASE + 0x800)
    code.csr_write("mtvec", T0)
    _enter_supervisor(code)
    code.constant(S0, BASE + 0x10000)
    code.emit("sd", rs1=S0, rs2=0, imm=16)
    unmapped = code.here
    code.emit("addi", rd=A1, imm=1)
    spin(code)
    while code.here < BASE + 0x800:
        code.emit("addi")
    spin(code)
    _tables(rig, BASE + 0x20000)
    rig.start()
    for until in range(step, 101, step):
        rig.cpu.run(until)
    hart = rig.cpu.harts[0]
    assert (hart.mcause, hart.mepc, rig.x(A1)) == (12, unmapped, 0)


def test_the_host_writing_memory_replaces_decoded_code(rig: Rig) -> None:
    """RAM written between periods (DMA, a loader) is what executes next."""
    code = rig.code
    code.label("loop")
    code.emit("addi", rd=A0, rs1=A0, imm=1)
    code.branch("jal", "loop", rd=0)
    rig.start()
    rig.cpu.run(100)
    assert rig.x(A0) == 50 + 0  # a0 starts as the hart's number, 0
    patch = Assembler(0)
    patch.emit("addi", rd=A0, rs1=A0, imm=2)
    rig.ram.write(BASE, bytes(patch.code))
    rig.cpu.run(200)
    assert rig.x(A0) == 50 + 100


def test_an_instruction_over_the_end_of_a_page_executes(rig: Rig) -> None:
    """A 32-bit instruction may straddle pages; it counts one, and patched halves are seen."""
    code = rig.code
    code.constant(T0, BASE + 0xFFE)
    code.emit("jalr", rd=0, rs1=T0, imm=0)
    rig.start()
    far = Assembler(BASE + 0xFFE)
    far.emit("addi", rd=A0, imm=7)
    far.branch("jal", "back", rd=0)
    far.labels["back"] = BASE + 0xFFE
    rig.ram.write(BASE + 0xFFE, far.finish())
    rig.cpu.run(20)
    assert rig.x(A0) == 7
    other = Assembler(0)
    other.emit("addi", rd=A0, imm=9)
    rig.ram.write(BASE + 0x1000, bytes(other.code)[2:])  # only the second page changes
    rig.cpu.run(24)
    assert rig.x(A0) == 9


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_where_runs_end_changes_nothing(engine: str, step: int) -> None:
    """Three harts that take turns reach the same state whether run at once or step by step."""

    def build() -> Rig:
        rig = Rig(engine, harts=3)
        code = rig.code
        code.constant(S0, BASE + 0x400)
        code.label("loop")
        code.emit("amoadd.d", rd=T0, rs1=S0, rs2=S1)
        code.emit("add", rd=A1, rs1=A1, rs2=T0)
        code.emit("addi", rd=S1, rs1=S1, imm=1)
        code.branch("jal", "loop", rd=0)
        rig.start()
        rig.cpu._block.quantum = rig.cpu._block.quantum_left = 50
        return rig

    whole, parts = build(), build()
    whole.cpu.run(1200)
    for until in range(step, 1200 + step, step):
        parts.cpu.run(min(until, 1200))
    assert parts.cpu.save() == whole.cpu.save()
    assert bytes(parts.ram.view) == bytes(whole.ram.view)


def test_a_stop_request_ends_a_run_at_once(rig: Rig) -> None:
    """Asked before it begins, a run ends with no instruction done, and the next is not affected."""
    spin(rig.code)
    rig.start()
    rig.cpu.request_stop()
    assert rig.cpu.run(1000) is Exit.STOPPED
    assert rig.cpu.icount == 0
    assert rig.cpu.run(1000) is Exit.DONE


def test_saving_and_restoring_is_identity(rig: Rig) -> None:
    """A restored cpu goes on exactly as the saved one does."""
    code = rig.code
    code.label("loop")
    code.emit("addi", rd=A0, rs1=A0, imm=3)
    code.emit("mul", rd=A1, rs1=A0, rs2=A0)
    code.branch("jal", "loop", rd=0)
    rig.start()
    rig.cpu.run(101)
    saved: Any = rig.cpu.save()
    rig.cpu.run(500)
    later = rig.cpu.save()
    rig.cpu.restore(saved)
    assert rig.cpu.save() == saved
    rig.cpu.run(500)
    assert rig.cpu.save() == later


# A page that is code and page table at once.

VIRTUAL = 0x4000_0000
ROOT, TABLE, OTHER = BASE + 0x1_0000, BASE + 0x2_0000, BASE + 0x3_0000


def map_pages(ram: Ram, pages: dict[int, int]) -> None:
    """Sv39: `pages`, by number from VIRTUAL, each to its frame; the last table is TABLE."""
    middle = ROOT + PAGE
    ram.write(ROOT + 8, (middle >> 12 << 10 | 1).to_bytes(8, "little"))
    ram.write(middle, (TABLE >> 12 << 10 | 1).to_bytes(8, "little"))
    for number, frame in pages.items():
        entry = frame >> 12 << 10 | 0xCF  # valid, read, write, execute, accessed, dirty
        ram.write(TABLE + 8 * number, entry.to_bytes(8, "little"))


def in_supervisor_mode(cpu: Cpu, pc: int) -> Any:
    """Hart 0, about to run at virtual `pc`."""
    cpu.reset(pc, {})
    hart = cpu.harts[0]
    hart.satp, hart.priv, hart.mtvec = 8 << 60 | ROOT >> 12, 1, BASE + 0x8000
    hart.pmpaddr0, hart.pmpcfg0 = (1 << 54) - 1, 0x1F  # all of memory, for everybody
    cpu._engine.flush()
    return hart


def test_code_that_remaps_the_table_it_lies_on_goes_on_elsewhere(rig: Rig) -> None:
    """The store makes the page's decoded code stale, and its own translation."""
    for frame, step in ((TABLE, 1), (OTHER, 100)):
        code = Assembler(frame + 0x800)
        code.emit("sd", rs1=T1, rs2=T0, imm=0)
        for _ in range(4):
            code.emit("addi", rd=A0, rs1=A0, imm=step)
        rig.ram.write(frame + 0x800, code.finish())
    map_pages(rig.ram, {2: TABLE})
    hart = in_supervisor_mode(rig.cpu, VIRTUAL + 2 * PAGE + 0x800)
    hart.x[T1], hart.x[T0] = VIRTUAL + 2 * PAGE + 16, OTHER >> 12 << 10 | 0xCF
    rig.cpu.run(5)
    assert hart.x[A0] == 400


def test_a_store_over_the_end_of_a_table_into_the_code_under_way_faults_next(rig: Rig) -> None:
    """Its first half unmaps the code's page, its second half changes the code."""
    code = Assembler(OTHER + 0x100)
    code.emit("sd", rs1=T1, rs2=T0, imm=0)
    code.emit("addi", rd=A0, rs1=A0, imm=1)
    rig.ram.write(OTHER + 0x100, code.finish())
    map_pages(rig.ram, {510: TABLE, 511: OTHER})
    page = VIRTUAL + 511 * PAGE
    hart = in_supervisor_mode(rig.cpu, page + 0x100)
    hart.x[T1], hart.x[T0] = page - 4, 0x8000_0000
    rig.cpu.run(2)
    assert (hart.mcause, hart.mepc, hart.x[A0]) == (INSTRUCTION_PAGE_FAULT, page + 0x104, 0)
