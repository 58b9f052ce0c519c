"""Virtual time that keeps to real time: in a replay, and live."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fakes.process import lockstep
from lockstep.errors import UsageError
from lockstep.host.serial import NullSerial
from lockstep.session import api
from lockstep.session.build import live
from lockstep.session.config import MachineConfig
from lockstep.session.console import Console
from lockstep.session.pace import Pace, live_pace

MS = 1_000_000
SPIN = (0x6F).to_bytes(4, "little")  # j .
SPUN_S = 0.4


class HandSetClock:
    """Says what it was set to."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def spinning(tmp_path: Path) -> dict[str, Any]:
    """A machine that does nothing, as fast as it can."""
    kernel = tmp_path / "spin.bin"
    kernel.write_bytes(SPIN)
    return {"kernel": str(kernel), "bios": "none", "memory": 16 << 20}


def test_virtual_time_may_not_run_ahead() -> None:
    """Both start together; ahead is what there is to wait."""
    clock = iter([1_000, 1_000, 6_000, 50_000])
    pace = Pace(2, lambda: next(clock))
    assert pace.hold_s(70_000) == 0
    assert pace.hold_s(74_000) == pytest.approx(4e-6)
    assert pace.hold_s(74_000) == pytest.approx(-1e-6)
    assert pace.hold_s(74_000) < 0


@pytest.mark.parametrize("shift", range(11))
def test_it_is_looked_at_every_two_milliseconds_of_virtual_time(shift: int) -> None:
    """So a guest is never further ahead."""
    assert MS < Pace(shift).slice << shift <= 2 * MS


def test_it_is_not_held_for_longer_than_a_thread_can_wait() -> None:
    """At the end of virtual time."""
    pace = Pace(2, lambda: 0)
    assert pace.hold_s(0) == 0
    assert 0 < pace.hold_s((1 << 63) - 1) <= threading.TIMEOUT_MAX


def test_what_a_live_guest_has_lost_it_does_not_make_up_for() -> None:
    """But for what the host's scheduling costs now and then."""
    clock = HandSetClock()
    pace = Pace(0, clock, most_behind_ns=20 * MS)
    pace.hold_s(0)
    clock.now = 10 * MS
    assert pace.hold_s(12 * MS) == pytest.approx(0.002)
    clock.now = 5_000 * MS
    assert pace.hold_s(12 * MS) == pytest.approx(-0.020)
    assert pace.hold_s(32 * MS) == pytest.approx(0)
    assert pace.hold_s(33 * MS) == pytest.approx(0.001)


def test_a_replay_in_real_time_makes_up_for_everything() -> None:
    """Its end is known."""
    clock = HandSetClock()
    pace = Pace(0, clock)
    pace.hold_s(0)
    clock.now = 5_000 * MS
    assert pace.hold_s(4_999 * MS) < 0


def test_the_default_goes_with_how_the_machine_idles() -> None:
    """Who skips idle time is in a hurry."""
    assert live_pace(None, idle="real", shift=2) is not None
    assert live_pace(None, idle="skip", shift=2) is None
    assert live_pace("none", idle="real", shift=2) is None
    assert live_pace("real", idle="skip", shift=2) is not None
    with pytest.raises(UsageError, match="pace"):
        live_pace("slow", idle="real", shift=2)


def test_a_guest_that_spins_lives_in_real_time(spinning: dict[str, Any]) -> None:
    """It takes as long as it would, little of that on the processor; `none` lets it run."""
    began, worked = time.monotonic(), time.process_time()
    api.run(**spinning, until=f"{SPUN_S}s")
    took_s, worked_s = time.monotonic() - began, time.process_time() - worked
    assert took_s >= SPUN_S - 0.025
    assert worked_s < took_s / 2
    # 2,000 s of virtual time would be too much for a test.
    assert api.run(**spinning, until="2000s", pace="none").outcome.virtual_ns == 2_000 * 1000 * MS


def test_what_is_recorded_does_not_depend_on_it(spinning: dict[str, Any], tmp_path: Path) -> None:
    """The machine's description does not have it, and the log is the same."""
    for pace in ("real", "none"):
        api.record(tmp_path / pace, **spinning, until="0.05s", idle="skip", seed=1, pace=pace)
    real, none = (api.info(tmp_path / pace) for pace in ("real", "none"))
    assert real["final_digest"] == none["final_digest"]
    assert real["machine"] == none["machine"]
    api.replay(tmp_path / "real")


def test_an_end_does_not_wait_for_real_time(tmp_path: Path) -> None:
    """A machine that jumped ahead is held, and yet is heard."""
    set_timer = (0x0200_42B7, 0xFFF0_0313, 0x0203_5313, 0x0062_B023)  # mtimecmp = ~0 >> 32
    enable = (0x0800_0393, 0x3043_A073)  # mie.MTIE
    waits = (0x1050_0073, 0xFFDF_F06F)  # wfi; j .-4
    code = b"".join(w.to_bytes(4, "little") for w in (*set_timer, *enable, *waits))
    kernel = tmp_path / "wait.bin"
    kernel.write_bytes(code)
    config = MachineConfig(kernel=str(kernel), bios="none", memory=16 << 20, idle="skip")
    began = time.monotonic()
    with live(config, Console(NullSerial()), pace="real", timeout_ns=100 * MS) as session:
        outcome = session.run()
    assert outcome.reason == "timeout"
    assert outcome.virtual_ns > 429 * 1000 * MS
    assert time.monotonic() - began < 60


def test_the_command_line_takes_it(spinning: dict[str, Any]) -> None:
    """Two words, and no others."""
    machine = ("--bios", "none", "--kernel", spinning["kernel"], "--memory", "16M")
    done = lockstep("run", *machine, "--until", "2000s", "--pace", "none")
    assert done.returncode == 0, done.stderr
    done = lockstep("run", *machine, "--pace", "fast")
    assert done.returncode == 2
    assert b"real, none" in done.stderr
