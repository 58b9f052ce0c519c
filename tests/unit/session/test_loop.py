"""The two threads: who runs when, and how it all ends."""

import os
import signal
import sys
import threading
import time

import pytest

from fakes.sessions import live_rig, replay_rig
from lockstep.det.locks import Deadlock, LockError
from lockstep.det.world import Arrival
from lockstep.errors import Divergence, InternalError
from lockstep.replay.log import LogReader

A_SECOND = 1_000_000_000


def type_in(rig, *texts, pause=0.01):
    """A thread that types, through the mailbox."""

    def typist():
        for text in texts:
            time.sleep(pause)
            arrival = Arrival("serial0", text)
            rig.session.mailbox.leave(lambda arrival=arrival: rig.session.post(arrival))

    thread = threading.Thread(target=typist)
    thread.start()
    return thread


def at_rest(rig):
    """Both threads and both locks are."""
    assert not any(thread.name == "vCPU" for thread in threading.enumerate())
    assert rig.locks.big.counts().holder is None
    assert rig.locks.replay.counts().holder is None


def test_a_guest_runs_to_its_power_off_instruction():
    """The instruction count at the end is that of the store that ended it, plus one."""
    rig = live_rig({10_000: lambda m: m.say(b"hi"), 25_500: lambda m: m.finish("poweroff")})
    outcome = rig.run()
    assert (outcome.reason, outcome.instructions, bytes(rig.serial.data)) == (
        "poweroff",
        25_501,
        b"hi",
    )
    at_rest(rig)


def test_a_session_tells_where_its_time_went():
    """While harts ran, and while all of them waited; and what others counted."""
    rig = live_rig({9_000: lambda m: m.wait(50_000_000), 12_000: lambda m: m.finish("poweroff")})
    rig.machine.cpu.pace_s = 0.002
    rig.run()
    stats = rig.session.stats()
    assert stats["run_ns"] > 10 * 2_000_000
    assert stats["idle_ns"] > 40_000_000
    assert stats["session_ns"] >= stats["run_ns"] + stats["idle_ns"]
    assert stats["counted"] == 42


def test_a_failing_guest_ends_with_status_1():
    """The test finisher's code is kept."""
    outcome = live_rig({500: lambda m: m.finish("fail", 7)}).run()
    assert (outcome.reason, outcome.code, outcome.exit_status) == ("fail", 7, 1)


def test_everything_that_came_in_is_replayed(tmp_path):
    """Clock, keys, waits with and without a timer: memory, output and digests come out the same."""
    guest = {
        1_000: lambda m: m.look_at_the_clock(),
        5_000: lambda m: m.wait(20_000_000),
        9_000: lambda m: m.wait(),
        12_000: lambda m: m.say(b"woken"),
        12_500: lambda m: m.look_at_the_clock(),
        13_000: lambda m: m.wait(5_000_000),
        14_000: lambda m: m.finish("poweroff"),
    }
    made = live_rig(guest, tmp_path / "r", every=3_000)
    typist = type_in(made, b"a", b"bc", b"d", b"e", b"f", pause=0.015)
    outcome = made.run()
    typist.join()
    for _ in range(3):
        again = replay_rig(guest, tmp_path / "r")
        assert again.run() == outcome
        assert again.machine.memory == made.machine.memory
        assert again.serial.data == made.serial.data
        assert again.world.finished()
    at_rest(made)


def test_periods_cut_at_random_instants_change_nothing(tmp_path):
    """Stop requests from outside end periods anywhere, in the recording and in the replay."""
    guest = {n * 700: lambda m: m.look_at_the_clock() for n in range(1, 60)}
    guest[30_001] = lambda m: m.set_device_timer(5_000)
    guest[36_005] = lambda m: m.wait(3_000_000)
    guest[50_000] = lambda m: m.finish("poweroff")
    made = live_rig(guest, tmp_path / "r", every=10_000)
    made.machine.cpu.pace_s = 0.0002
    with nagging(made):
        outcome = made.run()
    again = replay_rig(guest, tmp_path / "r")
    again.machine.cpu.pace_s = 0.0001
    with nagging(again):
        assert again.run() == outcome
    assert again.machine.memory == made.machine.memory
    assert made.machine.cpu.periods != again.machine.cpu.periods


class nagging:
    """While it lasts, somebody keeps asking for the machine's status."""

    def __init__(self, rig):
        self.rig, self.over = rig, threading.Event()
        self.thread = threading.Thread(target=self.nag)

    def nag(self):
        while not self.over.wait(0.001):
            self.rig.machine.cpu.request_stop()
            try:
                self.rig.session.mailbox.ask(self.rig.session.status)
            except InternalError:
                return

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def test_a_device_timer_fires_at_its_instruction():
    """A timer set in the middle of a period cuts it: shift 0, so a nanosecond an instruction."""
    guest = {
        2_000: lambda m: m.set_device_timer(4_321),
        9_000: lambda m: m.finish("poweroff"),
    }
    rig = live_rig(guest)
    rig.run()
    assert rig.machine.memory == [("timer", 6_321, 6_321)]


def test_a_reboot_is_a_checkpoint_and_the_machine_goes_on(tmp_path):
    """A guest that asks for a reset gets one, at that instruction; replay does the same."""
    guest = {
        1_000: lambda m: m.finish("reboot"),
        2_000: lambda m: m.finish("poweroff"),
    }
    made = live_rig(guest, tmp_path / "r")
    outcome = made.run()
    again = replay_rig(guest, tmp_path / "r")
    assert again.run() == outcome
    assert made.machine.memory == again.machine.memory == [("reset", 1_001)]
    reasons = [e.event.reason for e in LogReader(tmp_path / "r").events()]
    assert reasons == ["machine-init", "reset", "shutdown"]


@pytest.mark.parametrize("recorded", [False, True])
def test_a_signal_ends_a_busy_guest_and_the_recording_is_complete(tmp_path, recorded):
    """SIGINT while the guest computes: exit status 130, and the replay ends at the same place."""
    path = tmp_path / "r" if recorded else None
    rig = live_rig({}, path)
    rig.machine.cpu.pace_s = 0.0001
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    outcome = rig.run()
    assert (outcome.reason, outcome.exit_status) == ("interrupt", 130)
    if recorded:
        assert LogReader(path).complete
        again = replay_rig({}, path)
        assert again.run() == outcome
    at_rest(rig)


def test_a_signal_ends_a_guest_that_waits(tmp_path):
    """SIGTERM while every hart is idle and no timer is set."""
    rig = live_rig({100: lambda m: m.wait()}, tmp_path / "r")
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
    outcome = rig.run()
    assert outcome.exit_status == 143
    assert replay_rig({100: lambda m: m.wait()}, tmp_path / "r").run() == outcome


def test_a_signal_that_another_thread_is_given_is_heard_at_once():
    """As may happen while that thread starts a process. Nothing else wakes the main loop."""

    def take_it():
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    rig = live_rig({100: lambda m: m.wait()})
    threading.Timer(0.1, take_it).start()
    guard = threading.Timer(10, os.kill, (os.getpid(), signal.SIGTERM))
    guard.start()
    began = time.monotonic()
    assert rig.run().reason == "interrupt"
    assert time.monotonic() - began < 5
    guard.cancel()


def test_a_replay_can_be_interrupted(tmp_path):
    """Ctrl-C during a replay just stops it; nothing diverged."""
    guest = {100_000: lambda m: m.finish("poweroff")}
    live_rig(guest, tmp_path / "r").run()
    rig = replay_rig(guest, tmp_path / "r")
    rig.machine.cpu.pace_s = 0.01
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    outcome = rig.run()
    assert outcome.given_up
    assert outcome.instructions < 100_000
    at_rest(rig)


def test_an_exception_in_a_device_ends_the_recording_cleanly(tmp_path):
    """It is raised by `run`, the threads are at rest, and the log is good up to there."""

    def broken(machine):
        machine.look_at_the_clock()
        raise ZeroDivisionError("a device is broken")

    guest = {1_000: lambda m: m.look_at_the_clock(), 2_000: broken}
    rig = live_rig(guest, tmp_path / "r")
    with pytest.raises(ZeroDivisionError):
        rig.run()
    at_rest(rig)
    rig.log.flush(rig.now())
    rig.log.close()
    log = LogReader(tmp_path / "r")
    assert not log.complete
    assert [each.event.kind for each in log.events()] == ["checkpoint", "wall-clock", "wall-clock"]


def test_an_exception_in_the_main_loop_stops_both_threads(tmp_path):
    """A broken console is our bug, but not a hang."""
    rig = live_rig({}, tmp_path / "r")
    rig.machine.cpu.pace_s = 0.0001

    def broken(hungry):
        raise RuntimeError("a back end is broken")

    rig.console.sources = broken
    with pytest.raises(RuntimeError):
        rig.run()
    at_rest(rig)


def test_no_period_runs_while_a_request_is_served(tmp_path):
    """Other threads are answered between two periods, with the main loop holding both locks."""
    rig = live_rig({200_000: lambda m: m.finish("poweroff")})
    rig.machine.cpu.pace_s = 0.0005
    seen = []

    def look():
        assert rig.locks.big.held()
        before = rig.machine.cpu.icount
        time.sleep(0.02)
        seen.append(rig.machine.cpu.icount - before)
        return rig.session.status()

    def asker():
        for _ in range(3):
            assert rig.session.mailbox.ask(look).instructions >= 0

    thread = threading.Thread(target=asker)
    thread.start()
    rig.run()
    thread.join()
    assert seen == [0, 0, 0]


def test_an_error_in_a_request_goes_to_who_asked():
    """The session goes on."""
    rig = live_rig({100_000: lambda m: m.finish("poweroff")})
    rig.machine.cpu.pace_s = 0.0005
    errors = []

    def asker():
        try:
            rig.session.mailbox.ask(lambda: 1 // 0)
        except ZeroDivisionError as error:
            errors.append(error)

    thread = threading.Thread(target=asker)
    thread.start()
    assert rig.run().reason == "poweroff"
    thread.join()
    assert len(errors) == 1


def test_nobody_is_left_waiting_when_the_session_ends():
    """A request that comes too late is refused, not kept."""
    rig = live_rig({100: lambda m: m.finish("poweroff")})
    rig.run()
    with pytest.raises(InternalError, match="over"):
        rig.session.mailbox.ask(rig.session.status)
    assert not rig.session.mailbox.leave(lambda: None)


def test_taking_the_replay_mutex_inside_the_big_lock_is_refused(tmp_path):
    """A device that queues for the replay mutex while it holds the big lock: named, not hung."""

    def wrong(machine):
        with machine.guard:
            rig.locks.replay.acquire()

    rig = live_rig({100: wrong}, tmp_path / "r")
    with pytest.raises(LockError, match="replay mutex"):
        rig.run()
    at_rest(rig)


def test_waiting_for_the_vcpu_with_a_lock_held_is_a_deadlock(tmp_path):
    """`pause` from where the replay mutex is held names both threads and does not hang."""
    rig = live_rig({}, tmp_path / "r")
    rig.machine.cpu.pace_s = 0.0001
    inside = []

    def wrong():
        try:
            rig.session._vcpu.pause()
        except LockError as error:
            inside.append(str(error))
        rig.session.request(b"quit")

    threading.Timer(0.05, rig.session.mailbox.leave, (wrong,)).start()
    assert rig.run().reason == "quit"
    assert "vCPU" in inside[0]
    assert "MainThread" in inside[0]


def test_another_thread_than_the_builder_may_run_the_session(tmp_path):
    """Both locks are handed over explicitly."""
    rig = live_rig({5_000: lambda m: m.finish("poweroff")}, tmp_path / "r")
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(rig.session.run()))
    rig.session.hand_over(thread)
    thread.start()
    thread.join(10)
    assert [outcome.reason for outcome in outcomes] == ["poweroff"]
    at_rest(rig)


def test_a_log_that_says_something_else_is_a_divergence(tmp_path):
    """The replayed guest reads the clock one instruction late."""
    live = live_rig(
        {1_000: lambda m: m.look_at_the_clock(), 9_000: lambda m: m.finish("poweroff")},
        tmp_path / "r",
    )
    live.run()
    rig = replay_rig(
        {1_001: lambda m: m.look_at_the_clock(), 9_000: lambda m: m.finish("poweroff")},
        tmp_path / "r",
    )
    with pytest.raises(Divergence, match="1_001"):
        rig.run()
    at_rest(rig)


def test_a_wait_that_the_log_does_not_know_is_a_divergence_and_not_a_hang(tmp_path):
    """The replayed guest waits where the recorded one computed."""
    live_rig({9_000: lambda m: m.finish("poweroff")}, tmp_path / "r").run()
    rig = replay_rig(
        {500: lambda m: m.wait(), 9_000: lambda m: m.finish("poweroff")}, tmp_path / "r"
    )
    with pytest.raises(Divergence, match="501"):
        rig.run()
    at_rest(rig)


def test_a_replay_stops_where_it_is_asked_to(tmp_path):
    """Exactly there."""
    guest = {4_000: lambda m: m.look_at_the_clock(), 9_000: lambda m: m.finish("poweroff")}
    live_rig(guest, tmp_path / "r", every=1_000).run()
    rig = replay_rig(guest, tmp_path / "r", until=4_567)
    outcome = rig.run()
    assert (outcome.reason, outcome.instructions) == ("until", 4_567)


def test_a_reader_who_stops_reading_holds_the_guest_and_not_the_session(tmp_path):
    """The guest waits between two periods, holding nothing: requests and Ctrl-C get through."""
    guest = {n: lambda m: m.say(b"x") for n in range(100, 90_000, 7)}
    rig = live_rig(guest, tmp_path / "r")
    full, abandoned, answered = threading.Event(), threading.Event(), []

    def congested():
        if len(rig.serial.data) > 50:
            full.set()
        return full.is_set() and not abandoned.is_set()

    rig.serial.congested = congested
    rig.serial.abandon = abandoned.set

    def user():
        full.wait(60)
        for _ in range(3):
            answered.append(rig.session.mailbox.ask(rig.session.status))
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=user).start()
    assert rig.run().reason == "interrupt"
    assert len(answered) == 3
    assert len(rig.serial.data) == 51
    at_rest(rig)


def test_asking_while_a_lock_is_held_is_a_deadlock(tmp_path):
    """A device that asks the main loop, which waits for the device's period to end."""
    rig = live_rig({100: lambda m: rig.session.mailbox.ask(rig.session.status)}, tmp_path / "r")
    with pytest.raises(Deadlock, match="'vCPU' waits for thread 'MainThread' to answer a request"):
        rig.run()
    at_rest(rig)


def test_a_request_that_asks_again_is_a_deadlock_of_its_own_and_ends_nothing():
    """The main loop would wait for itself; the asker is told so."""
    rig = live_rig({900_000: lambda m: m.finish("poweroff")})
    rig.machine.cpu.pace_s = 0.0001
    errors = []

    def asker():
        try:
            rig.session.mailbox.ask(lambda: rig.session.mailbox.ask(rig.session.status))
        except Deadlock as error:
            errors.append(str(error))

    thread = threading.Thread(target=asker)
    thread.start()
    assert rig.run().reason == "poweroff"
    thread.join()
    assert "'MainThread'" in errors[0]


def test_exit_in_a_request_ends_the_session_and_answers_the_asker():
    """`exit()` may come from anywhere; nobody waits for what will not come."""
    rig = live_rig({})
    rig.machine.cpu.pace_s = 0.0001
    errors = []

    def asker():
        try:
            rig.session.mailbox.ask(sys.exit)
        except InternalError as error:
            errors.append(str(error))

    thread = threading.Thread(target=asker)
    thread.start()
    with pytest.raises(SystemExit):
        rig.run()
    thread.join(10)
    assert "over" in errors[0]
    at_rest(rig)


def test_a_request_that_leaves_another_lets_the_guest_run_in_between():
    """Otherwise such a chain would be the last thing that happens."""
    seen = set()

    def look(machine):
        if len(seen) >= 3:
            machine.finish("poweroff")

    rig = live_rig(dict.fromkeys(range(50_000, 100_000_000, 50_000), look))

    def again():
        seen.add(rig.machine.cpu.icount)
        rig.session.mailbox.leave(again)

    rig.session.mailbox.leave(again)
    assert rig.run().reason == "poweroff"


class Spinning:
    """A source that is always ready, and a main loop that therefore never waits."""

    def __init__(self, rig):
        self.rounds = 0
        self.ready, writer = os.pipe()
        os.write(writer, b"x")
        rig.console.sources = lambda hungry: [self.ready]
        rig.console.take = self.take

    def take(self, source, desk):
        self.rounds += 1
        desk.post(Arrival("serial0", b"y"))


@pytest.mark.parametrize("recorded", [False, True])
def test_a_main_loop_that_never_rests_cannot_starve_the_guest(tmp_path, recorded):
    """The two take turns."""
    rig = live_rig({200_000: lambda m: m.finish("poweroff")}, tmp_path / "r" if recorded else None)
    spinning = Spinning(rig)
    assert rig.run().reason == "poweroff"
    assert spinning.rounds <= 202
    if recorded:
        main, vcpu = sorted(rig.locks.replay.counts().threads, key=lambda each: each.thread)
        assert abs(main.holds - vcpu.holds) <= 3


def test_a_guest_that_does_not_read_is_not_flooded(tmp_path):
    """The host's end of a pipe fills up instead of our memory, and empties as the guest reads."""
    rig = live_rig({400_000: lambda m: m.finish("poweroff")}, tmp_path / "r")
    rig.machine.cpu.pace_s = 0.0002
    spinning = Spinning(rig)
    always = rig.console.sources
    rig.console.sources = lambda hungry: always(hungry) if hungry else []
    rig.machine.hungry = lambda port: spinning.rounds != 5
    rig.machine.guest[300_000] = lambda m: setattr(spinning, "rounds", 100)
    assert rig.run().reason == "poweroff"
    assert spinning.rounds > 100


def test_pausing_as_the_guest_ends_is_no_deadlock(tmp_path):
    """The vCPU thread arrives for good when it ends, however late it was asked to pause."""
    rig = live_rig({100: lambda m: m.finish("poweroff")}, tmp_path / "r")
    vcpu = rig.session._vcpu
    ring, paused = vcpu._ring, []

    def late():
        """It has ended in all but name, and its thread lives on."""
        if vcpu._ended:
            pauser = threading.Thread(target=lambda: paused.append(vcpu.pause()))
            pauser.start()
            pauser.join(5)
        ring()

    vcpu._ring = late
    assert rig.run().reason == "poweroff"
    assert paused
