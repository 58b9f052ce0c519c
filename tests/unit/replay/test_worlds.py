"""Recorder and replayer: the same execution, twice; or a divergence that says where and why."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.toys import ScriptedWorld, ToyMachine
from lockstep.det.fifo import LockError
from lockstep.det.instant import Icount
from lockstep.det.locks import Locks
from lockstep.det.world import Arrival
from lockstep.replay.divergence import ReplayDivergence
from lockstep.replay.format import Manifest
from lockstep.replay.log import LogReader, LogWriter
from lockstep.replay.recorder import Recorder
from lockstep.replay.replayer import Replayer

SCRIPT = (
    (120, Arrival("serial0", b"ls\n")),
    (120, Arrival("serial0", b"exit\n")),
    (333, Arrival("warp", b"")),
    (333, Arrival("warp", (12345).to_bytes(8, "little"))),
    (400, Arrival("net0", b"\x00frame")),
)
END = 1000


@pytest.fixture
def locks() -> Locks:
    locks = Locks(enabled=True)
    locks.replay.acquire()
    return locks


class Lab:
    """Records toy machines into one file and replays them."""

    def __init__(self, path: Path, locks: Locks) -> None:
        self.path = path
        self.locks = locks

    def record(
        self,
        script: tuple[tuple[int, Arrival], ...] = SCRIPT,
        *,
        every: int = 250,
        salt: bytes = b"",
    ) -> ToyMachine:
        machine = ToyMachine()
        log = LogWriter(self.path, Manifest({"memory": 1}, every))
        recorder = Recorder(
            ScriptedWorld(script, salt), log, lambda: machine.now, self.locks.replay
        )
        machine.run(recorder, END)
        log.finish(machine.now, 1.5, "guest shutdown")
        return machine

    def replay(self, machine: ToyMachine, end: int = END, slice_size: int = 1 << 40) -> Replayer:
        replayer = self.replayer(machine)
        machine.run(replayer, end, slice_size=slice_size)
        return replayer

    def replayer(self, machine: ToyMachine) -> Replayer:
        return Replayer(LogReader(self.path), lambda: machine.now, self.locks.replay)

    def divergence(self, machine: ToyMachine) -> ReplayDivergence:
        with pytest.raises(ReplayDivergence) as caught:
            self.replay(machine).check_finished()
        return caught.value


@pytest.fixture
def lab(tmp_path: Path, locks: Locks) -> Lab:
    return Lab(tmp_path / "toy.lockstep", locks)


def test_a_replay_consumes_the_whole_log_and_ends_in_the_same_state(lab: Lab) -> None:
    recorded = lab.record()
    machine = ToyMachine()
    replayer = lab.replay(machine)
    assert replayer.finished()
    replayer.check_finished()
    assert machine.digests() == recorded.digests()
    assert machine.received.startswith(b"ls\nexit\n")


def test_two_recordings_differ_but_each_replays(lab: Lab) -> None:
    numbers = set()
    for salt in (b"one", b"two"):
        numbers.add(lab.record(salt=salt).number)
        assert lab.replay(ToyMachine()).finished()
    assert len(numbers) == 2


@pytest.mark.parametrize("slice_size", [1, 7, 99])
def test_where_periods_end_changes_nothing(lab: Lab, slice_size: int) -> None:
    recorded = lab.record()
    machine = ToyMachine()
    assert lab.replay(machine, slice_size=slice_size).finished()
    assert machine.digests() == recorded.digests()


def test_random_scripts_replay(lab: Lab) -> None:
    """Any arrivals at any instants, several at one instant, with any digest interval."""
    rng = random.Random(7)
    for _ in range(25):
        ports = ("serial0", "warp", "power", "net0")
        script = tuple(
            (rng.randrange(END), Arrival(rng.choice(ports), rng.randbytes(rng.randrange(9))))
            for _ in range(rng.randrange(40))
        )
        recorded = lab.record(script, every=rng.choice([0, 1, 50, 333, 5000]))
        machine = ToyMachine()
        assert lab.replay(machine, slice_size=rng.choice([3, 1000])).finished()
        assert machine.digests() == recorded.digests()


def test_output_is_mirrored_once_it_has_been_checked(lab: Lab) -> None:
    lab.record()
    machine = ToyMachine()
    shown: list[tuple[str, bytes]] = []
    replayer = Replayer(
        LogReader(lab.path),
        lambda: machine.now,
        lab.locks.replay,
        lambda port, data: shown.append((port, data)),
    )
    machine.run(replayer, END)
    assert shown[:2] == [("serial0", b"at 0\n"), ("serial0", b"at 150\n")]


def test_a_wrong_bit_is_found_at_the_next_digest_and_the_parts_are_named(lab: Lab) -> None:
    lab.record()
    error = lab.divergence(ToyMachine(glitch=620))
    assert error.at == 750
    assert error.agreed == 500
    assert error.parts == ("hart 0", "ram")
    assert "diverged at instruction 750" in str(error)
    assert "differing:    hart 0, ram" in str(error)
    assert "last agreed:  at instruction 500" in str(error)
    assert "--from 500 --to 750" in error.remedy
    assert error.exit_status == 3


def test_paranoid_digests_find_it_at_the_very_next_instruction(lab: Lab) -> None:
    lab.record(every=1)
    assert lab.divergence(ToyMachine(glitch=620)).at == 621


def test_a_question_that_was_not_asked_is_noticed_one_instruction_later(lab: Lab) -> None:
    lab.record()
    error = lab.divergence(ToyMachine(quirks=[(450, "ask")]))
    assert error.at == 451
    assert "at instruction 450: wall-clock port=rtc" in error.report.expected
    assert "ran on to instruction 451" in error.report.actual


def test_a_question_too_many_is_noticed_at_once(lab: Lab) -> None:
    lab.record()
    error = lab.divergence(ToyMachine(quirks=[(460, "ask")]))
    assert error.at == 460
    assert "rtc asked 'wall-clock' (8 bytes)" in error.report.actual
    assert any(str(each).startswith("done 450: wall-clock") for each in error.report.around)
    assert any(str(each).startswith("next 500: checkpoint") for each in error.report.around)


def test_another_question_than_the_logged_one_is_noticed(lab: Lab) -> None:
    lab.record()
    machine = ToyMachine()
    replayer = lab.replayer(machine)
    outlet = replayer.outlet("rtc")
    for kind in ("machine-init", "periodic"):
        replayer.checkpoint(kind, machine.now, machine.digests)
    while machine.now < 50:
        machine.step(replayer)
    with pytest.raises(ReplayDivergence, match="rtc asked 'entropy'"):
        outlet.ask("entropy", 8)


def test_wrong_output_is_noticed_at_once_and_byte_by_byte(lab: Lab) -> None:
    lab.record()
    error = lab.divergence(ToyMachine(quirks=[(300, "shout")]))
    assert error.at == 300
    assert "byte 12 of the output of serial0 is b'at 300" in error.report.expected
    assert "serial0 sent b'AT 300" in error.report.actual


def test_missing_output_is_noticed_at_the_next_checkpoint(lab: Lab) -> None:
    """The next output does not fit, unless a checkpoint counts before."""
    lab.record()
    error = lab.divergence(ToyMachine(quirks=[(450, "print")]))
    assert error.at == 500
    assert "serial0 has sent 26 bytes" in error.report.expected
    assert "serial0 has sent 19 bytes" in error.report.actual


def test_output_too_much_is_noticed_at_once(lab: Lab) -> None:
    lab.record()
    error = lab.divergence(ToyMachine(quirks=[(950, "print")]))
    assert error.at == 950
    assert "nothing more" in error.report.expected


def test_a_machine_that_stops_early_is_noticed(lab: Lab) -> None:
    lab.record()
    machine = ToyMachine()
    replayer = lab.replayer(machine)
    with pytest.raises(ReplayDivergence, match=r"reached a checkpoint .shutdown"):
        machine.run(replayer, 700)
    assert not replayer.finished()


def test_a_machine_that_never_runs_on_is_noticed(lab: Lab) -> None:
    lab.record()
    replayer = lab.replayer(ToyMachine())
    assert not replayer.finished()
    with pytest.raises(ReplayDivergence, match="stopped"):
        replayer.check_finished()


def test_a_machine_that_goes_on_too_long_is_noticed(lab: Lab) -> None:
    lab.record()
    machine = ToyMachine()
    replayer = lab.replay(machine)
    with pytest.raises(ReplayDivergence, match="it ends here"):
        replayer.outlet("rtc").ask("wall-clock", 8)


def test_a_loop_that_does_not_notice_the_end_is_stopped(lab: Lab) -> None:
    """Even a loop that never looks at `finished` cannot hang."""
    lab.record()
    machine = ToyMachine()
    replayer = lab.replay(machine)
    assert replayer.horizon(machine.now) == END
    with pytest.raises(ReplayDivergence, match="it ends here"):
        replayer.horizon(machine.now)


def test_a_reset_that_was_not_logged_is_noticed(lab: Lab) -> None:
    lab.record()
    machine = ToyMachine()
    with pytest.raises(ReplayDivergence, match=r"reached a checkpoint .reset"):
        lab.replayer(machine).checkpoint("reset", machine.now, machine.digests)


def test_a_divergence_is_raised_again_by_every_later_call(lab: Lab) -> None:
    """Should native code swallow the exception, the loop still meets it."""
    lab.record()
    machine = ToyMachine()
    replayer = lab.replayer(machine)
    calls: list[Callable[[], object]] = [
        lambda: replayer.outlet("rtc").ask("nonsense", 1),
        lambda: replayer.horizon(machine.now),
        lambda: replayer.arrivals(machine.now),
        lambda: replayer.checkpoint("periodic", machine.now, machine.digests),
        lambda: replayer.outlet("serial0").emit(b"x"),
        replayer.check_finished,
    ]
    for call in calls:
        with pytest.raises(ReplayDivergence, match="asked 'nonsense'"):
            call()
    assert not replayer.finished()


def test_neither_world_works_without_the_replay_mutex(lab: Lab) -> None:
    lab.record()
    lab.locks.replay.release()
    with pytest.raises(LockError, match="checking a checkpoint"):
        lab.replay(ToyMachine())
    with pytest.raises(LockError, match=r"logging a checkpoint .machine-init. in thread"):
        lab.record()


def test_a_killed_recording_replays_up_to_its_last_commit(lab: Lab) -> None:
    machine = ToyMachine()
    log = LogWriter(lab.path, Manifest({}, 250))
    recorder = Recorder(ScriptedWorld(SCRIPT), log, lambda: machine.now, lab.locks.replay)
    recorder.checkpoint("machine-init", machine.now, machine.digests)
    host_ns = 0
    while machine.now < 600:
        recorder.checkpoint("periodic", machine.now, machine.digests)
        machine.received += b"".join(each.data for each in recorder.arrivals(machine.now))
        until = min(recorder.horizon(machine.now), machine.now + 40)
        while machine.now < until:
            machine.step(recorder)
        host_ns += 200_000_000
        log.tick(machine.now, host_ns)
    log.close()

    reader = LogReader(lab.path)
    assert not reader.complete
    assert 300 < reader.end() < 600
    again = ToyMachine()
    replayer = lab.replayer(again)
    again.run(replayer, int(reader.end()))
    assert replayer.finished()


def test_time_only_goes_forward(lab: Lab) -> None:
    lab.record()
    replayer = lab.replayer(ToyMachine())
    replayer.checkpoint("machine-init", Icount(0), ToyMachine().digests)
    replayer.horizon(Icount(10))
    with pytest.raises(AssertionError, match="only goes forward"):
        replayer.horizon(Icount(9))
