"""Running harts: the same promises from every engine."""

from __future__ import annotations

import threading

import pytest

from fakes.engines import NATIVE
from fakes.rig import A0, A1, A2, BASE, DEVICE, ENGINES, HANDLER, SIZE, T0, T1, T2, Bench
from lockstep.cpu.engine import Exit, make_cpu
from lockstep.cpu.layout import PAGE
from lockstep.errors import InternalError, UsageError
from lockstep.isa.privileged import (
    ENVCFG_STCE,
    ILLEGAL_INSTRUCTION,
    INSTRUCTION_ACCESS_FAULT,
    LOAD_ACCESS_FAULT,
    MEI,
    MEIP,
    MTI,
    MTIP,
    STATUS_MIE,
    STIP,
    STORE_ACCESS_FAULT,
)
from lockstep.isa.state import NO_RESERVATION

INTERRUPT = 1 << 63
NEVER = (1 << 64) - 1


@pytest.fixture(params=ENGINES)
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


# Counting.


def test_a_run_ends_at_the_count_asked_for(bench: Bench) -> None:
    """Exactly, also in the middle of a straight line."""
    for _ in range(20):
        bench.code.emit("addi", rd=A0, rs1=A0, imm=1)
    bench.start()
    bench.cpu.harts[0].x[A0] = 0
    for until in (0, 1, 7, 7, 20):
        assert bench.cpu.run(until) is Exit.DONE
        assert (bench.cpu.icount, bench.x(A0)) == (until, until)
    assert bench.cpu.harts[0].pc == BASE + 80


def test_a_trapping_instruction_counts_and_an_interrupt_does_not(bench: Bench) -> None:
    bench.code.emit("ecall")
    bench.start()
    hart = bench.cpu.harts[0]
    bench.cpu.run(1)
    assert (hart.pc, hart.mepc, hart.exceptions, hart.attempted) == (HANDLER, BASE, 1, 1)
    hart.mie, hart.mstatus = MEIP, hart.mstatus | STATUS_MIE
    bench.cpu.set_irq(0, MEI, True)
    bench.cpu.run(2)
    assert (hart.mcause, hart.mepc) == (INTERRUPT | MEI, HANDLER)
    assert (hart.exceptions, hart.attempted) == (1, 2)


def test_virtual_time_is_the_count_and_the_warps() -> None:
    bench = Bench("reference", shift=3)
    bench.spin()
    bench.start()
    bench.cpu.run(100)
    bench.cpu.warp(5)
    assert bench.cpu.virtual_ns == 805


def test_runs_and_device_accesses_are_counted(bench: Bench) -> None:
    """By how the runs ended; an access that fails is one, too."""
    bench.code.emit("lui", rd=T0, imm=DEVICE)
    bench.code.emit("sw", rs1=T0, rs2=A0, imm=0)
    bench.code.emit("lw", rd=A1, rs1=T0, imm=0)
    bench.code.emit("wfi")
    bench.start()
    bench.cpu.harts[0].mie = MEIP
    bench.cpu.run(1)
    bench.cpu.run(2)
    bench.cpu.request_stop()
    bench.cpu.run(10)
    bench.cpu.run(10)
    assert (
        bench.cpu.stats().items()
        >= {
            "instructions": bench.cpu.icount,
            "device_accesses": 2,
            "runs": 4,
            "exits_done": 2,
            "exits_idle": 1,
            "exits_stopped": 1,
        }.items()
    )


# Illegal instructions and fetches.


@pytest.mark.parametrize("word", [0xFFFF_FFFF, 0x0000, 0x9C61, 0x0000_001F])
def test_an_illegal_word_is_reported(bench: Bench, word: int) -> None:
    """mtval has the bits of the instruction, and only those (Priv. 3.1.16)."""
    bench.code.word(word)
    bench.code.emit("addi", rd=A0, imm=-1)
    bench.start()
    bench.cpu.run(1)
    hart = bench.cpu.harts[0]
    assert (hart.mcause, hart.mtval, hart.mepc) == (ILLEGAL_INSTRUCTION, word, BASE)


def test_a_fetch_from_nowhere_faults(bench: Bench) -> None:
    bench.start()
    bench.cpu.harts[0].pc = DEVICE
    bench.cpu.run(1)
    hart = bench.cpu.harts[0]
    assert (hart.mcause, hart.mtval, hart.mepc) == (INSTRUCTION_ACCESS_FAULT, DEVICE, DEVICE)
    assert bench.bus.log == []


def test_half_an_instruction_at_the_end_of_memory(bench: Bench) -> None:
    """mtval is the half that is missing, mepc where the instruction starts (Priv. 3.1.16)."""
    end = BASE + SIZE
    bench.ram.write(end - 2, b"\x13\x00")
    bench.start()
    bench.cpu.harts[0].pc = end - 2
    bench.cpu.run(1)
    hart = bench.cpu.harts[0]
    assert (hart.mcause, hart.mtval, hart.mepc) == (INSTRUCTION_ACCESS_FAULT, end, end - 2)


def test_protection_within_a_page_is_seen_everywhere(bench: Bench) -> None:
    """A locked region without X in the middle of the page that executes."""
    for _ in range(6):
        bench.code.emit("addi", rd=A0, rs1=A0, imm=1)
    bench.start()
    hart = bench.cpu.harts[0]
    hart.x[A0] = 0
    hart.pmpaddr0, hart.pmpcfg0 = BASE + 16 >> 2, 0x90 | 0x01  # L, NA4, R
    bench.cpu.run(5)
    assert (hart.x[A0], hart.mcause) == (4, INSTRUCTION_ACCESS_FAULT)
    assert (hart.mtval, hart.mepc) == (BASE + 16, BASE + 16)


# Devices.


def test_loads_and_stores_reach_the_bus(bench: Bench) -> None:
    """With physical address, size, and as many bits as the size has. Loads extend as they say."""
    code = bench.code
    code.constant(T0, DEVICE)
    code.constant(T1, 0x1122_3344_5566_77F8)
    for offset, name in enumerate(("sb", "sh", "sw", "sd")):
        code.emit(name, rs1=T0, rs2=T1, imm=8 * offset)
    code.emit("lb", rd=A0, rs1=T0, imm=0)
    code.emit("lbu", rd=A1, rs1=T0, imm=0)
    code.emit("ld", rd=A2, rs1=T0, imm=24)
    bench.spin()
    bench.start()
    bench.cpu.run(100)
    assert bench.bus.log == [
        ("w", DEVICE, 1, 0xF8),
        ("w", DEVICE + 8, 2, 0x77F8),
        ("w", DEVICE + 16, 4, 0x5566_77F8),
        ("w", DEVICE + 24, 8, 0x1122_3344_5566_77F8),
        ("r", DEVICE, 1, 0xF8),
        ("r", DEVICE, 1, 0xF8),
        ("r", DEVICE + 24, 8, 0x1122_3344_5566_77F8),
    ]
    assert (bench.x(A0), bench.x(A1)) == (-8 % (1 << 64), 0xF8)
    assert bench.x(A2) == 0x1122_3344_5566_77F8


@pytest.mark.parametrize(
    ("name", "addr", "cause"),
    [
        ("lw", 0x2000_0000, LOAD_ACCESS_FAULT),
        ("sw", 0x2000_0000, STORE_ACCESS_FAULT),
        ("lw", DEVICE + 2, LOAD_ACCESS_FAULT),
        ("sd", DEVICE + 4, STORE_ACCESS_FAULT),
        ("ld", BASE - 4, LOAD_ACCESS_FAULT),
        ("lr.w", 0x2000_0000, LOAD_ACCESS_FAULT),
        ("amoadd.w", DEVICE, STORE_ACCESS_FAULT),
        ("cbo.zero", DEVICE + 5, STORE_ACCESS_FAULT),
    ],
)
def test_what_no_device_answers_faults(bench: Bench, name: str, addr: int, cause: int) -> None:
    """Nothing there, misaligned, half in memory, or atomic: an access fault, and no side effect."""
    bench.code.constant(T0, addr)
    at = bench.code.here
    bench.code.emit(name, rs1=T0)
    bench.start()
    hart = bench.cpu.harts[0]
    bench.cpu.run((at - BASE) // 4 + 1)
    assert (hart.mcause, hart.mtval, hart.mepc) == (cause, addr, at)
    assert bench.bus.log == []


@pytest.mark.parametrize(("name", "at"), [("ld", 0), ("lw", 0), ("lwu", 4)])
def test_the_time_is_read_without_the_bus(name: str, at: int) -> None:
    """It is that of the instruction, as the bus would have found it, in every engine."""
    for engine in ENGINES:
        bench = Bench(engine, shift=7)
        bench.code.constant(T0, DEVICE)
        before = (bench.code.here - BASE) // 4
        for register in (A0, A1):
            bench.code.emit(name, rd=register, rs1=T0, imm=at)
        bench.start()
        bench.cpu.map_mtime(DEVICE)
        bench.cpu.mtime = 0x1_7FFF_0000
        bench.cpu.warp(12_345)
        bench.cpu.run(before)
        for register in (A0, A1):
            found = bench.cpu.mtime >> 8 * at
            bench.cpu.run(bench.cpu.icount + 1)
            wanted = found if name == "ld" else found & 0xFFFF_FFFF
            assert bench.x(register) == wanted
        assert bench.bus.log == []


@pytest.mark.parametrize(("name", "at"), [("lb", 0), ("lh", 0), ("lw", 2), ("ld", 4), ("ld", 8)])
def test_only_aligned_words_of_the_time_are(bench: Bench, name: str, at: int) -> None:
    """The rest is the bus's, or a fault, as ever."""
    bench.code.constant(T0, DEVICE)
    bench.code.emit(name, rd=A0, rs1=T0, imm=at)
    bench.start()
    bench.cpu.map_mtime(DEVICE)
    size = {"b": 1, "h": 2, "w": 4, "d": 8}[name[1]]
    bench.bus.values[DEVICE + at] = 5
    bench.cpu.run((bench.code.here - BASE) // 4)
    asked = [(DEVICE + at, size)] if at % size == 0 else []
    assert [(each[1], each[2]) for each in bench.bus.log] == asked


def test_what_is_known_of_a_device_is_not_asked_for(bench: Bench) -> None:
    """That register at that size alone, until it is forgotten."""
    bench.code.constant(T0, DEVICE)
    before = (bench.code.here - BASE) // 4
    bench.code.label("loop")
    bench.code.emit("lbu", rd=A0, rs1=T0, imm=0)
    bench.code.emit("lhu", rd=A1, rs1=T0, imm=0)
    bench.code.branch("jal", "loop", rd=0)
    bench.start()
    bench.bus.values[DEVICE] = 7
    bench.cpu.know(DEVICE, 1, 0x60)
    bench.cpu.run(before + 2)
    assert (bench.x(A0), bench.x(A1)) == (0x60, 7)
    assert len(bench.bus.log) == 1
    bench.cpu.forget()
    bench.cpu.run(before + 5)
    assert (bench.x(A0), bench.x(A1)) == (7, 7)
    assert len(bench.bus.log) == 3


def test_an_interrupt_raised_by_an_access_comes_right_after_it(bench: Bench) -> None:
    """At the next instruction, not at the end of a slice."""
    bench.code.constant(T0, DEVICE)
    bench.code.emit("sw", rs1=T0)
    at = bench.code.here
    bench.code.emit("addi", rd=A0, imm=7)
    bench.start()
    hart = bench.cpu.harts[0]
    hart.mie, hart.mstatus = MEIP, hart.mstatus | STATUS_MIE
    bench.bus.on[DEVICE] = lambda: bench.cpu.set_irq(0, MEI, True)
    bench.cpu.run(10)
    assert (hart.mcause, hart.mepc, hart.x[A0]) == (INTERRUPT | MEI, at, 0)


def test_a_stop_requested_by_a_device_is_heeded_after_the_access(bench: Bench) -> None:
    """The instruction is finished; no other is begun."""
    bench.code.constant(T0, DEVICE)
    bench.code.emit("sw", rs1=T0)
    at = bench.code.here
    bench.spin()
    bench.start()
    bench.bus.on[DEVICE] = bench.cpu.request_stop
    assert bench.cpu.run(1000) is Exit.STOPPED
    assert (bench.cpu.icount, bench.cpu.harts[0].pc) == ((at - BASE) // 4, at)
    assert bench.cpu.run(1000) is Exit.DONE


def test_what_a_device_raises_comes_through_and_the_access_can_be_tried_again(
    bench: Bench,
) -> None:
    """The instruction has not happened."""
    bench.code.constant(T0, DEVICE)
    at = bench.code.here
    bench.code.emit("lw", rd=A0, rs1=T0)
    bench.spin()
    bench.start()

    def fail() -> None:
        raise RuntimeError("no")

    bench.bus.values[DEVICE] = 5
    bench.bus.on[DEVICE] = fail
    with pytest.raises(RuntimeError):
        bench.cpu.run(100)
    assert (bench.cpu.icount, bench.cpu.harts[0].pc) == ((at - BASE) // 4, at)
    bench.bus.on.clear()
    assert bench.cpu.run(100) is Exit.DONE
    assert bench.x(A0) == 5


# Stopping.


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stop_from_another_thread_ends_an_endless_run(engine: str) -> None:
    bench, under_way = Bench(engine), threading.Event()
    bench.code.constant(T0, DEVICE)
    bench.code.emit("lw", rd=A0, rs1=T0)
    bench.spin()
    bench.start()
    bench.bus.on[DEVICE] = under_way.set
    ended: list[Exit] = []
    thread = threading.Thread(target=lambda: ended.append(bench.cpu.run(1 << 60)))
    thread.start()
    assert under_way.wait(timeout=60)
    bench.cpu.request_stop()
    thread.join(timeout=5)
    assert ended == [Exit.STOPPED]
    count = bench.cpu.icount
    assert bench.cpu.run(count + 3) is Exit.DONE
    assert bench.cpu.icount == count + 3


def test_a_run_that_was_done_anyway_leaves_the_request_for_the_next(bench: Bench) -> None:
    """It is never lost."""
    bench.spin()
    bench.start()
    bench.cpu.run(5)
    bench.cpu.request_stop()
    bench.cpu.request_stop()
    assert bench.cpu.run(9) is Exit.STOPPED
    assert bench.cpu.icount == 5
    assert bench.cpu.run(9) is Exit.DONE


# Timers and waiting.


def test_a_timer_interrupt_comes_at_its_instant(bench: Bench) -> None:
    """mtime reaches the comparator at instruction 1000: that many are executed before."""
    bench.code.label("loop")
    bench.code.emit("addi", rd=A0, rs1=A0, imm=1)
    bench.code.branch("jal", "loop", rd=0)
    bench.start()
    hart = bench.cpu.harts[0]
    hart.x[A0] = 0
    hart.mie, hart.mstatus, hart.mtimecmp = MTIP, hart.mstatus | STATUS_MIE, 10
    bench.cpu.run(1000)
    assert (hart.x[A0], hart.mcause) == (500, 0)
    bench.cpu.run(1001)
    assert (hart.mcause, hart.mepc, hart.pc) == (INTERRUPT | MTI, BASE, HANDLER)


def test_waiting_ends_a_run_and_a_warp_ends_the_waiting(bench: Bench) -> None:
    """WFI counts as one instruction; time alone wakes the hart."""
    bench.code.emit("wfi")
    bench.code.emit("addi", rd=A0, imm=1)
    bench.spin()
    bench.start()
    hart = bench.cpu.harts[0]
    hart.mie, hart.mtimecmp = MTIP, 50
    assert bench.cpu.run(100) is Exit.IDLE
    assert (bench.cpu.icount, hart.waiting, hart.pc) == (1, 1, BASE + 4)
    assert bench.cpu.run(100) is Exit.IDLE
    assert bench.cpu.next_deadline_ns() == 5000
    bench.cpu.warp(4998)
    assert bench.cpu.run(100) is Exit.IDLE
    bench.cpu.warp(1)
    assert bench.cpu.run(100) is Exit.DONE
    assert (hart.waiting, hart.x[A0]) == (0, 1)


def test_the_next_deadline_is_the_earliest_that_matters() -> None:
    """Not what is past, masked, unused or infinitely far."""
    cpu = Bench("reference", harts=3).cpu
    one, two, three = cpu.harts
    assert cpu.next_deadline_ns() is None
    one.mie, one.mtimecmp = MTIP | STIP, 300
    two.mie, two.menvcfg, two.stimecmp = STIP, ENVCFG_STCE, 200
    three.mtimecmp = 100
    assert cpu.next_deadline_ns() == 20_000
    cpu.warp(20_000)
    assert cpu.next_deadline_ns() == 30_000
    one.mtimecmp = NEVER
    assert cpu.next_deadline_ns() is None


def test_raising_a_line_wakes_a_hart(bench: Bench) -> None:
    """And lowering it takes the bit away again."""
    bench.code.emit("wfi")
    bench.spin()
    bench.start()
    hart = bench.cpu.harts[0]
    hart.mie = MEIP
    bench.cpu.set_irq(0, MEI, True)
    bench.cpu.set_irq(0, MEI, False)
    assert hart.mip == 0
    assert bench.cpu.run(50) is Exit.IDLE
    bench.cpu.set_irq(0, MEI, True)
    assert bench.cpu.run(50) is Exit.DONE


# Several harts.


@pytest.mark.parametrize("engine", ENGINES)
def test_harts_take_turns_by_the_quantum(engine: str) -> None:
    """Who waits is passed over; the others get full turns."""
    bench = Bench(engine, harts=3, quantum=10)
    bench.code.branch("bne", "count", rs1=A0, rs2=T2)
    bench.code.emit("wfi")
    bench.code.label("count")
    bench.code.emit("addi", rd=A1, rs1=A1, imm=1)
    bench.code.branch("jal", "count", rd=0)
    bench.start()
    for hart in bench.cpu.harts:
        hart.x[T2] = 1  # hart 1 goes to sleep
    bench.cpu.run(52)
    assert [hart.attempted for hart in bench.cpu.harts] == [30, 2, 20]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_turn_of_another_hart_breaks_a_reservation(engine: str) -> None:
    """The store-conditional after it fails, whoever else stored what."""
    bench = Bench(engine, harts=2, quantum=2)
    bench.code.emit("addi", rd=0)
    bench.code.emit("lr.d", rd=A1, rs1=T0)
    bench.code.emit("sc.d", rd=A2, rs1=T0, rs2=T1)
    bench.spin()
    bench.start()
    for hart in bench.cpu.harts:
        hart.x[T0] = BASE + 0x400
    bench.cpu.run(2)
    assert bench.cpu.harts[0].reservation == BASE + 0x400
    bench.cpu.run(5)
    assert (bench.x(A2), bench.cpu.harts[0].reservation) == (1, NO_RESERVATION)


# Memory.


def test_stores_make_pages_dirty_again_after_each_clearing(bench: Bench) -> None:
    """What lets stores go unseen must be forgotten when pages are called clean."""
    bench.code.constant(T0, BASE + 3 * PAGE)
    bench.code.label("loop")
    bench.code.emit("sw", rs1=T0)
    bench.code.branch("jal", "loop", rd=0)
    bench.start()
    for until in (20, 40, 60):
        bench.ram.clear_dirty()
        bench.cpu.run(until)
        assert bench.ram.dirty_pages() == [3]


def test_a_store_over_the_end_of_a_page_dirties_both(bench: Bench) -> None:
    bench.code.constant(T0, BASE + 3 * PAGE - 3)
    bench.code.constant(T1, 0x1122_3344_5566_7788)
    bench.code.emit("sd", rs1=T0, rs2=T1)
    bench.code.emit("ld", rs1=T0, rd=A0)
    bench.spin()
    bench.start()
    bench.ram.clear_dirty()
    bench.cpu.run(50)
    assert bench.ram.dirty_pages() == [2, 3]
    assert bench.x(A0) == 0x1122_3344_5566_7788
    assert bench.ram.read(BASE + 3 * PAGE - 3, 8) == bytes.fromhex("8877665544332211")


# Reset, state, set-up.


@pytest.mark.parametrize("engine", ENGINES)
def test_reset_starts_every_hart_anew_but_not_time(engine: str) -> None:
    bench = Bench(engine, harts=2, quantum=10)
    bench.spin()
    bench.start()
    bench.cpu.run(15)
    bench.cpu.warp(100)
    bench.cpu.reset(BASE + 64, {A1: 0x1234, A2: 5})
    assert (bench.cpu.icount, bench.cpu.virtual_ns) == (15, 115)
    for number, hart in enumerate(bench.cpu.harts):
        assert (hart.pc, hart.attempted, hart.hartid) == (BASE + 64, 0, number)
        assert (hart.x[A0], hart.x[A1], hart.x[A2]) == (number, 0x1234, 5)
    assert (bench.cpu.save().current, bench.cpu.save().quantum_left) == (0, 10)


def test_a_state_moves_between_engines() -> None:
    """It says nothing of who made it."""
    benches = [Bench(engine, harts=2, quantum=7) for engine in ("reference", *NATIVE)]
    for bench in benches:
        bench.code.label("loop")
        bench.code.emit("addi", rd=A1, rs1=A1, imm=3)
        bench.code.emit("mul", rd=A2, rs1=A1, rs2=A1)
        bench.code.branch("jal", "loop", rd=0)
        bench.start()
    one, *others = (bench.cpu for bench in benches)
    one.run(100)
    for other in others:
        other.restore(one.save())
    one.run(250)
    for other in others:
        other.run(250)
        assert one.save() == other.save()
        assert one.hart_fields(1) == other.hart_fields(1)


def test_a_state_of_another_machine_is_refused() -> None:
    with pytest.raises(InternalError, match="2 harts"):
        Bench("reference").cpu.restore(Bench("reference", harts=2).cpu.save())


def test_an_unknown_engine_is_refused() -> None:
    bench = Bench("reference")
    with pytest.raises(UsageError, match="warp9"):
        make_cpu("warp9", 1, bench.ram, bench.bus, 0)


# A watched word.

WORD = BASE + 0x1FF8


@pytest.mark.parametrize(
    ("name", "offset", "told"),
    [
        ("sd", 0, [(WORD, 8)]),
        ("sw", 4, [(WORD + 4, 4)]),
        ("sb", 7, [(WORD + 7, 1)]),
        ("sd", -8, []),
        ("sd", -4, [(WORD - 4, 8)]),
        ("sd", 4, [(WORD, 8)]),  # over the end of the page
        ("sw", 7, [(WORD, 8)]),
        ("sd", 8, []),
        ("amoadd.d", 0, [(WORD, 8)]),
        ("cbo.zero", -3, [(WORD, 8)]),
        ("ld", 0, []),
    ],
)
def test_the_bus_hears_of_each_store_to_what_is_watched(
    bench: Bench, name: str, offset: int, told: list[tuple[int, int]]
) -> None:
    """Once, before it; and the store is done as if nobody had watched. Then others go on fast."""
    seen = []
    bench.bus.told = lambda: seen.append(bench.ram.read(WORD, 8))
    bench.cpu.watch(WORD)
    operands = {"rd": A0} if name in ("ld", "amoadd.d") else {}
    if name in ("sd", "sw", "sb", "amoadd.d"):
        operands["rs2"] = T1
    for _ in range(2):
        bench.code.emit(name, rs1=T0, **operands)
    bench.start()
    bench.ram.write(WORD, b"\x77" * 8)
    hart = bench.cpu.harts[0]
    hart.x[T0], hart.x[T1] = WORD + offset, 0x0102_0304_0506_0708
    bench.cpu.run(2)
    assert bench.bus.log == [("s", *each, 0) for each in told] * 2
    assert seen[:1] == [b"\x77" * 8] * len(told)
    assert (bench.ram.read(WORD, 8) != b"\x77" * 8) == bool(told)
