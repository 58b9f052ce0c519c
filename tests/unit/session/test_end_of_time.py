"""Virtual time has one end, and everything that tells time agrees on it."""

import pytest

from conformance.assembler import Assembler
from fakes.engines import ENGINES
from lockstep.cpu.schedule import LAST_TICK, TICK_NS
from lockstep.det.instant import LATEST_NS
from lockstep.machine.board import DRAM_BASE, FINISHER, MTIMER, RTC
from lockstep.session import api

T0, T1 = 5, 6
MTIE = 1 << 7
PASS = 0x5555


@pytest.fixture
def sleeper(tmp_path):
    """Writes a guest that sets a timer, sleeps, and powers off when it is woken."""

    def write(ticks):
        code = Assembler(DRAM_BASE)
        for csr, value in (("mtvec", DRAM_BASE + 0x200), ("mie", MTIE), ("mstatus", 8)):
            code.constant(T0, value)
            code.csr_write(csr, T0)
        code.constant(T0, MTIMER.base)
        code.constant(T1, ticks)
        code.store(T1, T0, 0)
        code.label("again")
        code.emit("wfi")
        code.branch("jal", "again", rd=0)
        handler = Assembler(DRAM_BASE + 0x200)
        handler.constant(T0, FINISHER.base)
        handler.constant(T1, PASS)
        handler.emit("sw", rs1=T0, rs2=T1, imm=0)
        path = tmp_path / "sleeper.bin"
        path.write_bytes(code.finish().ljust(0x200, b"\0") + handler.finish())
        return {"kernel": str(path), "bios": "none", "memory": 16 << 20, "idle": "skip"}

    return write


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("ticks", [1 << 56, LAST_TICK - 1])
def test_a_timer_before_the_end_rings(sleeper, tmp_path, engine, ticks):
    """On its tick, however far off; a replay says the same."""
    made = api.record(tmp_path / "r", engine=engine, **sleeper(ticks)).outcome
    assert (made.reason, made.virtual_ns // TICK_NS) == ("poweroff", ticks)
    assert api.replay(tmp_path / "r").outcome == made


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("ticks", [LAST_TICK + 1])
def test_a_timer_after_the_end_is_none(sleeper, tmp_path, engine, ticks):
    """So a guest that waits for it alone waits forever."""
    made = api.record(tmp_path / "r", engine=engine, **sleeper(ticks)).outcome
    assert (made.reason, made.exit_status) == ("idle", 7)
    assert api.replay(tmp_path / "r").outcome == made


def test_an_alarm_after_the_end_is_none(tmp_path):
    """As a hart's timer is."""
    code = Assembler(DRAM_BASE)
    code.constant(T0, RTC.base)
    code.constant(T1, -1)
    for register in (0x0C, 0x10, 0x08):  # the alarm, upper half; interrupt; lower half, which arms
        code.emit("sw", rs1=T0, rs2=T1, imm=register)
    code.constant(T1, 1 << 9)  # the external interrupt of S-mode: enough to wake
    code.csr_write("mie", T1)
    code.emit("wfi")
    code.branch("jal", "end", rd=0)
    code.label("end")
    code.emit("wfi")
    (tmp_path / "alarm.bin").write_bytes(code.finish())
    made = api.run(kernel=str(tmp_path / "alarm.bin"), bios="none", memory=16 << 20, idle="skip")
    assert made.outcome.reason == "idle"
    assert made.outcome.virtual_ns < LATEST_NS


@pytest.mark.parametrize("engine", ["auto", "interp"])
def test_a_guest_that_comes_to_the_end_of_time(sleeper, tmp_path, engine):
    """It is woken on the last tick but one, and goes on to the end, which ends the session."""
    guest = sleeper(LAST_TICK - 1)
    image = tmp_path / "sleeper.bin"
    spin = (0x0000006F).to_bytes(4, "little")  # j .
    image.write_bytes(image.read_bytes()[:0x200] + spin)
    made = api.record(tmp_path / "r", engine=engine, **guest).outcome
    assert (made.reason, made.exit_status) == ("end-of-time", 0)
    assert LATEST_NS <= made.virtual_ns < LATEST_NS + 4
    assert api.replay(tmp_path / "r").outcome == made
