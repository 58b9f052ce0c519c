"""No divergence is a hang: what the log waits for, and what the machine does instead."""

import itertools
import threading
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest

from fakes.machine import FakeMachine
from fakes.sessions import Guest, live_rig, replay_rig
from lockstep.cpu.engine import Cpu, Exit
from lockstep.det.world import Arrival
from lockstep.replay.divergence import ReplayDivergence, Report
from lockstep.session import api
from lockstep.session.watchdog import Watchdog

LATE = 9_000


def off(machine: FakeMachine) -> None:
    machine.finish("poweroff")


def recorded(path: Path, guest: Guest, *, key_at: int | None = None) -> None:
    """A guest that powers off at LATE; at `key_at` somebody presses a key."""
    rig = None

    def press(machine: FakeMachine) -> None:
        rig.session.post(Arrival("serial0", b"x"))
        machine.cpu.request_stop()

    more = {} if key_at is None else {key_at: press}
    rig = live_rig({**guest, **more, LATE: off}, path)
    rig.run()


def report(path: Path, guest: Guest, *, idle: str = "real") -> Report:
    """How its replay fails."""
    rig = replay_rig(guest, path, idle=idle)
    with pytest.raises(ReplayDivergence) as caught:
        rig.run()
    assert not any(thread.name == "vCPU" for thread in threading.enumerate())
    return caught.value.report


@pytest.mark.parametrize("idle", ["real", "skip"])
def test_it_waits_forever_where_the_log_has_a_key_later(tmp_path: Path, idle: str) -> None:
    recorded(tmp_path / "r", {}, key_at=5_000)
    found = report(tmp_path / "r", {700: lambda m: m.wait(), LATE: off}, idle=idle)
    assert (found.kind, found.at) == ("stall", 701)
    assert found.expected == "waiting for: at instruction 5_001: serial port=serial0 data=b'x'"
    assert "waits, with every hart idle" in found.actual


def test_it_waits_forever_where_the_log_ends_later(tmp_path: Path) -> None:
    recorded(tmp_path / "r", {})
    found = report(tmp_path / "r", {700: lambda m: m.wait()})
    assert found.expected.startswith("waiting for: at instruction 9_001: checkpoint")
    assert "waits, with every hart idle" in found.actual


def test_it_powers_off_before_the_key_comes(tmp_path: Path) -> None:
    recorded(tmp_path / "r", {}, key_at=5_000)
    found = report(tmp_path / "r", {700: off})
    assert (found.kind, found.at) == ("event", 701)
    assert "serial port=serial0" in found.expected
    assert found.actual == "reached a checkpoint (shutdown)"


def test_it_never_asks_for_what_the_log_answers(tmp_path: Path) -> None:
    recorded(tmp_path / "r", {800: lambda m: m.look_at_the_clock()})
    found = report(tmp_path / "r", {LATE: off})
    assert (found.kind, found.at) == ("event", 801)
    assert "at instruction 800: wall-clock" in found.expected
    assert found.actual == "ran on to instruction 801 without that"


def test_it_asks_for_what_the_log_does_not_answer(tmp_path: Path) -> None:
    recorded(tmp_path / "r", {})
    found = report(tmp_path / "r", {800: lambda m: m.look_at_the_clock(), LATE: off})
    assert (found.kind, found.at) == ("event", 800)
    assert "rtc asked 'wall-clock'" in found.actual


def test_it_never_powers_off(tmp_path: Path) -> None:
    """The log ends; the machine would go on for ever."""
    recorded(tmp_path / "r", {})
    found = report(tmp_path / "r", {})
    assert "checkpoint reason=shutdown" in found.expected
    assert found.at == LATE + 1


def test_an_engine_that_does_not_come_back_is_reported(tmp_path: Path) -> None:
    """The vCPU thread is stuck with the replay mutex in its hand, and the session ends anyway."""
    recorded(tmp_path / "r", {}, key_at=5_000)
    stuck, free = threading.Event(), threading.Event()

    def hang(machine: FakeMachine) -> None:
        stuck.set()
        free.wait(30)

    rig = replay_rig({700: hang, LATE: off}, tmp_path / "r")

    def bark(seen: str) -> None:
        assert stuck.is_set()
        try:
            rig.world.stalled(seen)
        except ReplayDivergence as error:
            rig.session.abandon(error)

    position = lambda: (rig.machine.cpu.icount, rig.world.progress)  # noqa: E731
    resting = lambda: rig.session.resting  # noqa: E731
    with (
        Watchdog(position, resting, bark, patience=5, beat_s=0.05),
        pytest.raises(ReplayDivergence) as caught,
    ):
        rig.run()
    free.set()
    found = caught.value.report
    assert (found.kind, found.at) == ("stall", 700)
    assert found.expected == "waiting for: at instruction 5_001: serial port=serial0 data=b'x'"
    assert found.actual == "does not move: nothing has changed for 0.25 s"


class Barks(list):
    def __init__(self) -> None:
        self.heard = threading.Event()

    def __call__(self, seen: str) -> None:
        self.append(seen)
        self.heard.set()


def test_a_dog_barks_once_when_nothing_moves() -> None:
    barks = Barks()
    with Watchdog(lambda: 7, lambda: False, barks, patience=2, beat_s=0.01):
        assert barks.heard.wait(10)
    assert barks == ["does not move: nothing has changed for 0.02 s"]


@pytest.mark.parametrize("still", ["moving", "resting"])
def test_it_does_not_bark_at_what_moves_or_rests(still: str) -> None:
    barks, counter, looked = Barks(), itertools.count(), threading.Semaphore(0)

    def position() -> int:
        looked.release()
        return next(counter) if still == "moving" else 0

    with Watchdog(position, lambda: still == "resting", barks, patience=1, beat_s=0.001):
        for _ in range(20):
            assert looked.acquire(timeout=10)
    assert barks == []


DEMO = str(files("lockstep.ui") / "data" / "demo.elf")


def quick_to_bark(monkeypatch) -> None:
    watchdog = partial(Watchdog, patience=3, beat_s=0.02)
    monkeypatch.setattr("lockstep.session.build.Watchdog", watchdog)


def test_a_replay_in_real_time_that_waits_is_no_reason_to_bark(tmp_path, monkeypatch) -> None:
    """The demo rests for a fifth of a second at a time."""
    machine = {"kernel": DEMO, "bios": "none", "memory": 16 << 20}
    recorded = api.record(tmp_path / "r", **machine)
    longest = max(event["ns"] for event in api.events(tmp_path / "r") if event["kind"] == "warp")
    assert longest > 100_000_000
    quick_to_bark(monkeypatch)
    assert api.replay(tmp_path / "r", realtime=True).console == recorded.console


def test_a_replay_in_real_time_that_hangs_is_one(tmp_path, monkeypatch) -> None:
    api.record(tmp_path / "r", kernel=DEMO, bios="none", memory=16 << 20)
    free, run = threading.Event(), Cpu.run

    def hang(cpu: Cpu, until: int) -> Exit:
        if cpu.icount > 50_000:
            free.wait(30)
        return run(cpu, until)

    monkeypatch.setattr(Cpu, "run", hang)
    quick_to_bark(monkeypatch)
    with pytest.raises(ReplayDivergence, match="does not move"):
        api.replay(tmp_path / "r", realtime=True)
    free.set()
