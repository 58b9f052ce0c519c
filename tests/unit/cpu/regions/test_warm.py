"""Regions that have run for long: what changes around them is felt at once, as in the reference."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from conformance.assembler import Assembler
from fakes.engines import in_regions
from fakes.rig import A0, A1, BASE, S0, S1, T0, T1, Bench
from lockstep.cpu.layout import PAGE
from lockstep.isa.privileged import (
    ENVIRONMENT_CALL,
    INSTRUCTION_ACCESS_FAULT,
    INSTRUCTION_PAGE_FAULT,
    LOAD_ACCESS_FAULT,
    LOAD_PAGE_FAULT,
    MACHINE,
    STATUS_MPRV,
    STATUS_SUM,
    STORE_ACCESS_FAULT,
    SUPERVISOR,
    USER,
)

TURN = 4_000
SLICE = 64


def state(bench: Bench) -> tuple[object, ...]:
    return bench.cpu.save(), bytes(bench.ram.view)


# The engine.


def counting(engine: str) -> Bench:
    """For ever: add one in memory."""
    bench = Bench(engine)
    code = bench.code
    code.emit("auipc", rd=A0, imm=PAGE)
    code.label("loop")
    code.emit("ld", rd=A1, rs1=A0, imm=0)
    code.emit("addi", rd=A1, rs1=A1, imm=1)
    code.emit("sd", rs1=A0, rs2=A1, imm=0)
    code.branch("jal", "loop", rd=0)
    bench.start()
    return bench


def count_by(bench: Bench, step: int) -> None:
    """From now on."""
    code = Assembler(0)
    code.emit("addi", rd=A1, rs1=A1, imm=step)
    bench.ram.write(BASE + 8, code.finish())


def test_regions_are_gone_with_the_engine_that_had_them() -> None:
    """The next one does it all by itself, and what became of the code meanwhile is what counts
    when there are regions again."""
    bench, reference = counting("auto"), counting("reference")
    until = 0
    for engine in ("auto", "interp", "auto", "reference", "auto"):
        if until:
            bench.cpu.change_engine(engine)
        bench.cpu._block.slice = SLICE
        before, until = in_regions(bench.cpu), until + TURN
        bench.cpu.run(until)
        reference.cpu.run(until)
        assert state(bench) == state(reference), engine
        done = in_regions(bench.cpu) - before
        assert done > TURN // 2 if engine == "auto" else done == 0
        if engine == "reference":
            count_by(bench, 100)
            count_by(reference, 100)


# What may be done, and what is where.

LOOP, DATA = BASE + 4 * PAGE, BASE + 8 * PAGE
LOAD, STORE, END = LOOP + 8, LOOP + 16, LOOP + 28
ROUNDS, LENGTH = 400, 7
AWAY = 1 << 30  # so much below itself memory is mapped once more
SHARED, PRIVATE, MIXED, EMPTY = (8 << 60 | (BASE + n * PAGE) >> 12 for n in (16, 17, 18, 19))
"""For satp: memory is there for U-mode, for S-mode, for S-mode but U-mode's at its other address,
or not at all."""
FOR_U, FOR_S = 0xDF, 0xCF  # flags of a page table entry
R, W, X, FOUR_BYTES, POWER_OF_TWO = 1, 2, 4, 2 << 3, 3 << 3
ALL = (POWER_OF_TWO | R | W | X) << 8  # in the second entry
U, S, M = (mode << 11 for mode in (USER, SUPERVISOR, MACHINE))  # mstatus.MPP


class Case(NamedTuple):
    """A loop is run to its end, some CSRs change, and it is run again: why, and where, it ends."""

    change: dict[str, int]
    cause: int
    at: int
    status: tuple[int, int] = (S, S)
    satp: int = 0
    again: int = LOOP
    data: int = DATA


def pmp(address: int, size: int, permitted: int) -> dict[str, int]:
    """An entry that comes before the one for all of memory."""
    if size == 4:
        return {"pmpaddr0": address >> 2, "pmpcfg0": ALL | FOUR_BYTES | permitted}
    return {"pmpaddr0": address >> 2 | (size >> 3) - 1, "pmpcfg0": ALL | POWER_OF_TWO | permitted}


CASES = {
    "PMP denies the page": Case(pmp(LOOP, PAGE, R | W), INSTRUCTION_ACCESS_FAULT, LOOP),
    "PMP denies an instruction": Case(pmp(STORE, 4, R | W), INSTRUCTION_ACCESS_FAULT, STORE),
    "PMP denies the load": Case(pmp(DATA, PAGE, 0), LOAD_ACCESS_FAULT, LOAD),
    "PMP denies the store": Case(pmp(DATA, PAGE, R), STORE_ACCESS_FAULT, STORE),
    "PMP was not for M-mode": Case({"pmpcfg0": 0}, INSTRUCTION_ACCESS_FAULT, LOOP, (M, S)),
    "the page is U-mode's": Case({}, INSTRUCTION_PAGE_FAULT, LOOP, (U, S), satp=SHARED),
    "data is seen as by U-mode": Case(
        {}, LOAD_PAGE_FAULT, LOAD, (M, M | STATUS_MPRV), satp=PRIVATE
    ),
    "data of U-mode is kept from S-mode": Case(
        {}, LOAD_PAGE_FAULT, LOAD, (S | STATUS_SUM, S), satp=MIXED, data=DATA - AWAY
    ),
    "the page is not mapped": Case({"satp": EMPTY}, INSTRUCTION_PAGE_FAULT, LOOP, satp=PRIVATE),
    "U-mode may do it": Case({}, ENVIRONMENT_CALL + USER, END, (M, U)),
    "the page is elsewhere, too": Case(
        {"satp": PRIVATE}, ENVIRONMENT_CALL + SUPERVISOR, END - AWAY, again=LOOP - AWAY
    ),
}


def loop() -> bytes:
    """a0 rounds: add pc to a1, and count in memory."""
    code = Assembler(LOOP)
    code.label("loop")
    code.emit("auipc", rd=T1, imm=0)
    code.emit("add", rd=A1, rs1=A1, rs2=T1)
    code.emit("ld", rd=T1, rs1=S0, imm=0)
    code.emit("addi", rd=T1, rs1=T1, imm=1)
    code.emit("sd", rs1=S0, rs2=T1, imm=0)
    code.emit("addi", rd=A0, rs1=A0, imm=-1)
    code.branch("bne", "loop", rs1=A0, rs2=0)
    code.emit("ecall")
    return code.finish()


def write_csrs(code: Assembler, values: dict[str, int]) -> None:
    for name, value in values.items():
        code.constant(T0, value)
        code.csr_write(name, T0)


def call(code: Assembler, loop: int, data: int, status: int, end: str) -> None:
    """Run the loop; what comes next is called `end`, and in M-mode again."""
    code.address(T0, end)
    code.csr_write("mtvec", T0)
    write_csrs(code, {"mepc": loop, "mstatus": status})
    code.constant(S0, data)
    code.constant(A0, ROUNDS)
    code.emit("mret")
    code.label(end)


def looping(engine: str, case: Case) -> Bench:
    """A bench that does what the case says; s1 tells that the first run is over."""
    bench = Bench(engine)
    tables = (SHARED, FOR_U, FOR_U), (PRIVATE, FOR_S, FOR_S), (MIXED, FOR_S, FOR_U)
    for satp, *both in tables:
        for address, flags in zip((BASE, BASE - AWAY), both, strict=True):
            entry = (BASE >> 12 << 10 | flags).to_bytes(8, "little")
            bench.ram.write((satp % (1 << 44) << 12) + 8 * (address >> 30), entry)
    code = bench.code
    write_csrs(code, {"pmpaddr1": (1 << 54) - 1, "pmpcfg0": ALL, "satp": case.satp})
    call(code, LOOP, case.data, case.status[0], "first")
    code.constant(S1, 1)
    write_csrs(code, case.change)
    call(code, case.again, case.data, case.status[1], "second")
    bench.spin()
    bench.ram.write(LOOP, loop())
    bench.start()
    return bench


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_changes_around_a_warm_region_is_felt(case: Case) -> None:
    """What may no longer be done is not done by the region, and what may be done is, once more."""
    bench, reference = looping("auto", case), looping("reference", case)
    before = 0
    for until in range(500, 2 * LENGTH * ROUNDS + 501, 500):
        bench.cpu.run(until)
        reference.cpu.run(until)
        assert state(bench) == state(reference), f"by instruction {until}"
        if not bench.x(S1):
            before = in_regions(bench.cpu)
    hart = bench.cpu.harts[0]
    assert (hart.mcause, hart.mepc) == (case.cause, case.at)
    assert before > LENGTH * ROUNDS // 2
    if not bench.x(A0):  # all rounds were done
        assert in_regions(bench.cpu) > before + LENGTH * ROUNDS // 2
