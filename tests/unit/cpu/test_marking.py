"""A and D in page tables: who sets them, when, and what follows from such a write to memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.assembler import Assembler
from fakes.rig import A0, BASE, ENGINES, T0, T1, Bench
from lockstep.cpu.layout import PAGE
from lockstep.isa.privileged import ENVCFG_ADUE, STORE_PAGE_FAULT
from lockstep.isa.state import SVADE, SVADU

V, R, W, X, A, D = (1 << bit for bit in (0, 1, 2, 3, 6, 7))
VIRTUAL = 0x4000_0000
ROOT, MIDDLE, TABLE, FRAME = (BASE + n * 0x1_0000 for n in (1, 2, 3, 4))
DATA = VIRTUAL + 7 * PAGE  # what the tests look at
ENTRY = TABLE + 8 * 7
CODE = VIRTUAL + 2 * PAGE


@pytest.fixture(params=ENGINES)
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


def put(bench: Bench, address: int, value: int) -> None:
    bench.ram.write(address, value.to_bytes(8, "little"))


def flags(bench: Bench, entry: int = ENTRY) -> int:
    return bench.ram.read(entry, 1)[0]


def supervisor(
    bench: Bench, write: Callable[[Assembler], None], table: int = TABLE, data: int = V | R | W
) -> Any:
    """Hart 0 in S-mode, about to run what `write` writes at CODE. DATA's entry has flags `data`."""
    bench.start()
    code = Assembler(CODE)
    write(code)
    bench.ram.write(BASE + 0x8000, code.finish())
    put(bench, ROOT + 8, MIDDLE >> 2 | V)
    put(bench, MIDDLE, table >> 2 | V)
    put(bench, table + 8 * 2, BASE + 0x8000 >> 2 | V | R | X | A)
    put(bench, table + 8 * 7, FRAME >> 2 | data)
    hart: Any = bench.cpu.harts[0]
    hart.pc, hart.priv, hart.satp = CODE, 1, 8 << 60 | ROOT >> 12
    hart.pmpaddr0, hart.pmpcfg0 = (1 << 54) - 1, 0x1F
    hart.x[T0], hart.x[T1] = DATA, 5
    return hart


def test_each_access_sets_what_it_needs(bench: Bench) -> None:
    """A load A, and the translation that it leaves cached is none for stores: one sets D."""
    marks = []

    def write(code: Assembler) -> None:
        code.emit("ld", rd=A0, rs1=T0, imm=8)
        code.emit("ld", rd=A0, rs1=T0, imm=8)
        code.emit("sd", rs1=T0, rs2=T1, imm=8)
        code.emit("ld", rd=A0, rs1=T0, imm=8)

    supervisor(bench, write)
    for icount in range(1, 5):
        bench.cpu.run(icount)
        marks.append(flags(bench) & (A | D))
    assert marks == [A, A, A | D, A | D]
    assert bench.x(A0) == 5


@pytest.mark.parametrize(
    ("name", "marks"),
    [("lr.w", A), ("sc.w", 0), ("amoadd.w", A | D), ("fence", 0)],
)
def test_atomics(bench: Bench, name: str, marks: int) -> None:
    """LR reads; an AMO writes; an SC that fails does neither."""
    operands = {"rd": A0, "rs1": T0} if name != "fence" else {}
    supervisor(bench, lambda code: code.emit(name, **operands))
    bench.cpu.run(1)
    assert flags(bench) & (A | D) == marks


def test_a_conditional_store_that_succeeds_sets_dirty(bench: Bench) -> None:
    """The mark is no store between LR and SC that would break the reservation."""

    def write(code: Assembler) -> None:
        code.emit("lr.d", rd=A0, rs1=T0)
        code.emit("sc.d", rd=A0, rs1=T0, rs2=T1)

    supervisor(bench, write)
    bench.cpu.run(2)
    assert (flags(bench) & (A | D), bench.x(A0)) == (A | D, 0)


def test_fetching_sets_accessed_again_after_software_took_it(bench: Bench) -> None:
    """The page that is being executed is fetched from with the next instruction."""

    def write(code: Assembler) -> None:
        code.emit("sb", rs1=T0, rs2=T1, imm=8 * 2)
        code.emit("addi", rd=A0, rs1=A0, imm=1)

    hart = supervisor(bench, write)
    put(bench, ENTRY, TABLE >> 2 | V | R | W | A | D)
    hart.x[T1] = V | R | X
    bench.cpu.run(1)
    assert not flags(bench, TABLE + 8 * 2) & A
    bench.cpu.run(2)
    assert flags(bench, TABLE + 8 * 2) & A
    assert bench.x(A0) == 1


def test_a_mark_changes_code_that_lies_there(bench: Bench) -> None:
    """An entry is `fence` until it is marked, which makes it a multiplication."""
    hart = supervisor(bench, lambda code: code.emit("ld", rd=A0, rs1=T0), data=V | R | W | X)
    put(bench, TABLE + 8 * 3, TABLE >> 2 | V | R | X | A)  # the table itself, executable
    itself = VIRTUAL + 3 * PAGE + 8 * 7
    ends = []
    for pc in (itself, CODE, itself):
        hart.pc, hart.priv = pc, 1
        bench.cpu.run(bench.cpu.icount + 2 if pc == itself else bench.cpu.icount + 1)
        ends.append(hart.mepc - itself)
    # The upper half of the entry encodes nothing; and the FPU is off.
    assert ends == [4, 4, 0]


def test_a_mark_is_seen_by_the_digest_of_memory(bench: Bench) -> None:
    """It is a write like any other."""
    supervisor(bench, lambda code: code.emit("ld", rd=A0, rs1=T0))
    bench.ram.clear_dirty()
    bench.cpu.run(1)
    assert bench.ram.dirty_pages() == [(TABLE - BASE) // PAGE]


def test_a_mark_where_no_store_may_go_is_an_access_fault(bench: Bench) -> None:
    """PMP lets the table be read only."""
    hart = supervisor(bench, lambda code: code.emit("ld", rd=A0, rs1=T0))
    hart.pmpaddr0, hart.pmpaddr1 = TABLE >> 2 | 0x1FF, (1 << 54) - 1
    hart.pmpcfg0 = 0x1F << 8 | 0x19
    bench.cpu.run(1)
    assert (hart.mcause, hart.mtval, flags(bench)) == (5, DATA, V | R | W)


def test_without_adue_software_is_asked(bench: Bench) -> None:
    """menvcfg.ADUE may be cleared, and then a page fault comes."""
    hart = supervisor(bench, lambda code: code.emit("sd", rs1=T0, rs2=T1), data=V | R | W | A)
    hart.menvcfg = 0
    bench.cpu.run(1)
    assert (hart.mcause, hart.mtval) == (STORE_PAGE_FAULT, DATA)
    assert flags(bench) == V | R | W | A


@pytest.mark.parametrize(
    ("features", "at_reset", "writable"),
    [(SVADU, ENVCFG_ADUE, True), (SVADU | SVADE, 0, True), (SVADE, 0, False)],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_what_a_hart_has_decides_about_adue(
    engine: str, features: int, at_reset: int, writable: bool
) -> None:
    """Set after a reset unless Svade is there, and constant without Svadu."""
    bench = Bench(engine, features=features)
    bench.code.csr_write("menvcfg", T0)
    bench.start()
    hart = bench.cpu.harts[0]
    assert hart.menvcfg == at_reset
    hart.x[T0] = ENVCFG_ADUE - at_reset
    bench.cpu.run(1)
    assert hart.menvcfg == (ENVCFG_ADUE - at_reset if writable else at_reset)
