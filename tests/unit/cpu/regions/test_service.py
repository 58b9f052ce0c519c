"""Regions in place: they come when the code is what they were made from, and go when it changes."""

from __future__ import annotations

import pytest

from conformance.assembler import Assembler
from fakes.engines import (
    NoBus,
    Whims,
    Whimsical,
    compile_everything,
    in_regions,
    make_engine,
    regions_of,
)
from lockstep.cpu.engine import Cpu, make_cpu
from lockstep.cpu.layout import NEVER_HOT, PAGE
from lockstep.cpu.memory import Ram
from lockstep.cpu.native.objects import Interpreter
from lockstep.cpu.native.regions import service
from lockstep.cpu.native.regions.service import RESTLESS, Geometric, Hot, Part

BASE, SIZE = 0x8000_0000, 1 << 20
RA, T0, T1, S0, A0, A1 = 1, 5, 6, 8, 10, 11
LOOP = 4


def loop(ram: Ram, *body: tuple[str, dict[str, int]]) -> None:
    """For ever: count in a0, and do what is in `body`."""
    code = Assembler(BASE)
    code.emit("auipc", rd=T0, imm=0)
    code.label("loop")
    code.emit("addi", rd=A0, rs1=A0, imm=1)
    for name, operands in body:
        code.emit(name, **operands)
    code.branch("jal", "loop", rd=0)
    ram.write(BASE, code.finish())


@pytest.fixture
def ram() -> Ram:
    return Ram(BASE, SIZE)


@pytest.fixture
def cpu(ram: Ram) -> Cpu:
    made = make_engine("auto", 1, ram, NoBus(), 0)
    made.reset(BASE, {})
    return made


def counts(cpu: Cpu) -> dict[str, int]:
    return regions_of(cpu).stats()  # type: ignore[no-any-return]


def test_a_loop_runs_in_a_region(ram: Ram, cpu: Cpu) -> None:
    """All but the first slices, and whatever the budget cuts off."""
    loop(ram)
    cpu._block.slice = 100
    cpu.run(10_001)
    assert cpu.harts[0].x[A0] == 5_000
    assert in_regions(cpu) > 9_000


def test_a_host_write_to_the_code_ends_the_region(ram: Ram, cpu: Cpu) -> None:
    """DMA, a debugger: the next instruction is the new one."""
    loop(ram)
    cpu.run(2_001)
    code = Assembler(0)
    code.emit("addi", rd=A0, rs1=A0, imm=100)
    ram.write(BASE + LOOP, code.finish())
    before = cpu.harts[0].x[A0]
    cpu.run(2_021)
    assert cpu.harts[0].x[A0] == before + 10 * 100


def test_data_on_the_page_does_not_end_the_region(ram: Ram, cpu: Cpu) -> None:
    """A store to another line of the page forgets nothing once the page is known to be mixed."""
    loop(ram, ("sw", {"rs1": T0, "rs2": A0, "imm": 0x7F0}))
    cpu._block.slice = 50
    cpu.run(3_001)
    before = in_regions(cpu), counts(cpu)
    cpu.run(9_001)
    assert counts(cpu) == before[1]
    assert in_regions(cpu) > before[0] + 3_000  # of each round all but the store
    assert ram.read(BASE + 0x7F0, 4) == cpu.harts[0].x[A0].to_bytes(4, "little")


def test_a_store_of_the_guest_to_the_code_ends_the_region(ram: Ram, cpu: Cpu) -> None:
    """Also on a page that is known to be mixed, where other stores end nothing."""
    loop(ram, ("sw", {"rs1": S0, "rs2": T1, "imm": 0}))
    hart = cpu.harts[0]
    hart.x[S0], hart.x[T1] = BASE + 0x7F0, 0
    cpu._block.slice = 50
    cpu.run(3_001)
    code = Assembler(0)
    code.emit("addi", rd=A0, rs1=A0, imm=100)
    before, hart.x[T1] = hart.x[A0], int.from_bytes(code.finish(), "little")
    hart.x[S0] = BASE + LOOP
    cpu.run(3_301)
    assert hart.x[A0] >= before + 99 * 100
    assert in_regions(cpu) > 1_000


def loop_over_the_edge(ram: Ram, cpu: Cpu) -> int:
    """Start a loop that begins eight bytes before a page ends; where it goes on on the next."""
    edge = BASE + PAGE
    code = Assembler(edge - 8)
    code.label("loop")
    code.emit("addi", rd=A0, rs1=A0, imm=1)
    code.emit("addi", rd=S0, rs1=S0, imm=1)
    code.emit("addi", rd=T1, rs1=T1, imm=1)
    code.branch("jal", "loop", rd=0)
    ram.write(edge - 8, code.finish())
    cpu.reset(edge - 8, {})
    cpu._block.slice = 100
    return edge


def test_a_loop_over_the_end_of_a_page_stays_in_its_region(ram: Ram, cpu: Cpu) -> None:
    """It leaves once a slice, not twice a round."""
    loop_over_the_edge(ram, cpu)
    cpu.run(20_000)
    assert cpu.harts[0].x[A0] == cpu.harts[0].x[T1] == 5_000
    assert in_regions(cpu) > 18_000
    assert sum(hart.left_page for hart in cpu.harts) < 400


def test_a_page_beside_it_that_changes_is_noticed(ram: Ram, cpu: Cpu) -> None:
    """The region's own page has not changed, so the region stays; it stops short of the other."""
    edge = loop_over_the_edge(ram, cpu)
    cpu.run(2_000)
    code = Assembler(0)
    code.emit("addi", rd=T1, rs1=T1, imm=100)
    ram.write(edge, code.finish())
    before = cpu.harts[0].x[T1]
    cpu.run(2_400)
    assert cpu.harts[0].x[T1] == before + 100 * 100


def test_another_page_that_is_mapped_there_is_noticed(ram: Ram, cpu: Cpu) -> None:
    """What matters is what is fetched beside it now."""
    edge = loop_over_the_edge(ram, cpu)
    other = edge + PAGE
    ram.write(other, ram.read(edge, 8))
    code = Assembler(0)
    code.emit("addi", rd=T1, rs1=T1, imm=100)
    ram.write(other, code.finish())
    cpu.run(2_000)
    before = cpu.harts[0].x[T1]
    root = BASE + 0x1_0000
    _identity_but_for(ram, root, edge, other)
    hart = cpu.harts[0]
    hart.satp = 8 << 60 | root >> 12
    hart.priv = 1
    hart.pmpaddr0, hart.pmpcfg0 = (1 << 54) - 1, 0x1F  # all of memory, for everybody
    cpu._engine.flush()
    cpu.run(2_400)
    assert cpu.harts[0].x[T1] == before + 100 * 100


def _identity_but_for(ram: Ram, root: int, page: int, frame: int) -> None:
    """Sv39 tables of 4 KiB pages for the first 2 MiB of memory; `page` is mapped to `frame`."""
    middle, last = root + PAGE, root + 2 * PAGE
    ram.write(root + 8 * (BASE >> 30 & 511), (middle >> 12 << 10 | 1).to_bytes(8, "little"))
    ram.write(middle + 8 * (BASE >> 21 & 511), (last >> 12 << 10 | 1).to_bytes(8, "little"))
    for number in range(SIZE // PAGE):
        address = BASE + number * PAGE
        target = frame if address == page else address
        entry = target >> 12 << 10 | 0xCF  # valid, read, write, execute, accessed, dirty
        ram.write(last + 8 * number, entry.to_bytes(8, "little"))


class Late(Whimsical):
    """Delivers when it is let to."""

    let = False

    def finished(self) -> list[Part]:
        return list(super().finished()) if self.let else []


class LateSupply(Whims):
    """With a foundry that is late."""

    made: Late

    def foundry(self, interpreter: Interpreter, ready: object) -> Late:
        self.made = Late(interpreter, None)
        return self.made


def test_a_region_that_comes_too_late_is_dropped(ram: Ram) -> None:
    """The code was another one when it was ordered."""
    supply = LateSupply(None)
    cpu = make_cpu("auto", 1, ram, NoBus(), 0, regions=supply)
    cpu.reset(BASE, {})
    cpu._block.slice = 10
    loop(ram)
    cpu.run(500)
    loop(ram, ("addi", {"rd": S0, "rs1": S0, "imm": 1}))
    supply.made.let = True
    cpu.run(700)
    assert counts(cpu)["regions_out_of_date"] >= 1
    assert cpu.harts[0].x[S0] > 0


def test_a_restless_page_is_left_to_the_interpreter(
    ram: Ram, cpu: Cpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code that changes all the time is not worth a compilation each time, until it is calm."""
    patch = ("sw", {"rs1": T0, "rs2": T1, "imm": LOOP})
    loop(ram, patch, ("addi", {"rd": S0, "rs1": S0, "imm": 1}))
    cpu.harts[0].x[T1] = int.from_bytes(ram.read(BASE + LOOP, 4), "little")
    cpu.run(20_000)
    ordered = counts(cpu)["regions_orders"]
    assert ordered <= 2 * RESTLESS
    monkeypatch.setattr(service, "CALM", 3)
    code = Assembler(0)
    code.emit("addi")
    ram.write(BASE + LOOP + 4, code.finish())  # no more stores
    before = in_regions(cpu)
    cpu.run(21_000)
    assert counts(cpu)["regions_orders"] > ordered
    assert in_regions(cpu) > before + 300


def test_orders_for_a_page_become_rare() -> None:
    when = Geometric()
    samples, orders = when.first(), 0
    while samples < 1_000_000:
        samples, orders = when.next(samples), orders + 1
    assert orders < 12


def test_what_is_ordered_says_all(ram: Ram) -> None:
    """The page, what was executed of it and how hot its lines are."""
    ordered: list[Hot] = []

    class Clerk:
        thresholds = Whims(None)
        aide = None

        def foundry(self, interpreter: Interpreter, ready: object) -> Clerk:
            return self

        def order(self, hot: Hot) -> None:
            ordered.append(hot)

        def finished(self) -> list[Part]:
            return []

    cpu = make_cpu("auto", 1, ram, NoBus(), 0, regions=Clerk())
    cpu.reset(BASE, {})
    cpu._block.slice = 7
    loop(ram)
    cpu.run(100)
    hot = ordered[-1]
    assert (hot.page, hot.code[:16]) == (0, ram.read(BASE, 16))
    assert memoryview(hot.heat).cast("H")[0] > 0
    handlers = memoryview(hot.handlers).cast("Q")
    assert len({handlers[0], handlers[2], handlers[4]}) == 3
    assert handlers[100] == handlers[101]


@pytest.mark.parametrize(("jump", "reason"), [("jal", "left_page"), ("jalr", "left_computed")])
def test_why_a_region_was_left_is_counted(ram: Ram, cpu: Cpu, jump: str, reason: str) -> None:
    """A loop over two distant pages, from one to the other by either kind of jump."""
    far = BASE + 8 * PAGE
    here, there = Assembler(BASE), Assembler(far)
    here.emit("addi", rd=A0, rs1=A0, imm=1)
    if jump == "jal":
        here.emit("jal", rd=0, imm=far - BASE - 4)
    else:
        here.emit("jalr", rd=0, rs1=T0, imm=0)
    there.emit("addi", rd=T1, rs1=T1, imm=1)
    there.emit("jalr", rd=0, rs1=S0, imm=0)
    ram.write(BASE, here.finish())
    ram.write(far, there.finish())
    hart = cpu.harts[0]
    hart.x[T0], hart.x[S0] = far, BASE
    cpu._block.slice = 101
    cpu.run(40_000)
    assert hart.x[A0] == hart.x[T1] == 10_000
    assert getattr(hart, reason) > 8_000


def two_loops() -> bytes:
    """t0 times, count in a0; then t1 times in a1."""
    code = Assembler(0)
    for rounds, count in (T0, A0), (T1, A1):
        code.label(f"loop {count}")
        code.emit("addi", rd=count, rs1=count, imm=1)
        code.emit("addi", rd=rounds, rs1=rounds, imm=-1)
        code.branch("bne", f"loop {count}", rs1=rounds, rs2=0)
    code.emit("jalr", rd=0, rs1=RA, imm=0)
    return code.finish()


@pytest.mark.parametrize("seed", [None, 1], ids=["at once", "as it comes"])
def test_a_region_is_right_on_a_page_that_was_not_executed_as_far(
    ram: Ram, seed: int | None
) -> None:
    """On copies of the page that it was made for it comes to its second loop before anybody else,
    with any budget."""
    cpu = make_engine("auto", 1, ram, NoBus(), 0, seed=seed)
    cpu._block.slice = 10
    cpu._block.heat_least = NEVER_HOT
    loop(ram)
    pages = range(BASE + PAGE, BASE + 81 * PAGE, 2 * PAGE)
    for page in pages:
        ram.write(page, two_loops())
    for number, page in enumerate(pages):
        cpu.reset(page, {RA: BASE, T0: 20 + number, T1: 20, A1: 0})
        cpu.run(cpu.icount + 200 + 3 * number)
        assert cpu.harts[0].x[A1] == 20, number
        if page == pages[0]:
            compile_everything(cpu)
            cpu._block.heat_least = 1
    assert in_regions(cpu) > 3_000
