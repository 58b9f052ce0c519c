"""The classes of bugs that QEMU's record/replay had, tried on ours; see docs/determinism.md."""

import os
import signal
import threading
import time
from contextlib import contextmanager, nullcontext
from importlib.resources import files
from pathlib import Path

import pytest

from fakes.device import FakeOutlet
from fakes.sessions import live_rig, replay_rig
from lockstep.cpu.engine import Exit, make_cpu
from lockstep.cpu.memory import Ram
from lockstep.det.locks import LockError
from lockstep.det.world import Arrival
from lockstep.host.serial import NullSerial
from lockstep.machine.board import DRAM_BASE, BoardConfig
from lockstep.machine.bus import Bus
from lockstep.machine.machine import Machine
from lockstep.replay.log import LogReader
from lockstep.session import api
from lockstep.session.build import live
from lockstep.session.config import MachineConfig
from lockstep.session.console import Console

DEMO = Path(str(files("lockstep.ui") / "data" / "demo.elf"))
BUILT = Path(__file__).parents[2] / "guests" / "build"
IRQ, REBOOT = BUILT / "irq.elf", BUILT / "reboot.elf"
A_SECOND = 1_000_000_000
PATIENCE_S = 20


def power_off(machine):
    machine.finish("poweroff")


def press(rig, data=b"x"):
    """A key, from any thread."""
    rig.session.mailbox.leave(lambda: rig.session.post(Arrival("serial0", data)))


def logged(path, kind):
    return [each.event for each in LogReader(path).events() if each.event.kind == kind]


@contextmanager
def alongside(work):
    """Another thread does `work`. A session that does not end on its own is interrupted."""
    thread = threading.Thread(target=work)
    guard = threading.Timer(PATIENCE_S, os.kill, (os.getpid(), signal.SIGINT))
    thread.start()
    guard.start()
    try:
        yield
    finally:
        guard.cancel()
        thread.join()


def run_beside(rig, work):
    with alongside(work):
        outcome = rig.run()
    assert outcome.reason == "poweroff"
    return outcome


def same_again(guest, path, made, outcome, idle="real"):
    """The replay ends alike, and the machine remembers the same."""
    again = replay_rig(guest, path, idle=idle)
    assert again.run() == outcome
    assert again.machine.memory == made.machine.memory
    assert again.serial.data == made.serial.data
    assert again.world.finished()
    return again


# Threads and locks.


@contextmanager
def keyboard(rig, receive):
    """A pipe that the main loop polls; `receive` reads it. Gives a function that presses a key."""
    reader, writer = os.pipe()
    rig.serial.sources = lambda: (reader,)
    rig.serial.receive = lambda source: receive(lambda: os.read(source, 1))
    try:
        yield lambda: os.write(writer, b"x")
    finally:
        os.close(reader)
        os.close(writer)


def until(true):
    """Wait; not for ever, as the test is to fail then."""
    deadline = time.monotonic() + PATIENCE_S
    while not true() and time.monotonic() < deadline:
        time.sleep(0.0005)


def test_lost_wake_up_of_who_sleeps():
    """A key wakes a hart that is asleep, however slowly it is read."""
    naps = 50
    guest = {n * 10: lambda m: m.wait() for n in range(1, naps + 1)} | {naps * 10 + 5: power_off}
    rig = live_rig(guest)
    vcpu = rig.session._vcpu

    def slowly(read):
        time.sleep(0.001)  # whoever was woken too early sleeps again by then
        return read()

    with keyboard(rig, slowly) as press_key:

        def press_keys():
            for n in range(naps):
                until(lambda n=n: vcpu.idle and len(rig.machine.memory) == n)
                press_key()

        run_beside(rig, press_keys)
    assert len(rig.machine.memory) == naps


def test_lost_wake_up_of_who_falls_asleep():
    """A key comes when the hart has looked for a reason to stay awake for the last time.

    Nothing is recorded, so there is no replay mutex to keep the main loop out, and no beat to wake
    it after all.
    """
    naps = 50
    over = threading.Event()
    guest = {n * 10: lambda m: m.wait() for n in range(1, naps + 1)}
    rig = live_rig(guest | {naps * 10 + 5: lambda m: (power_off(m), over.set())})
    looked, heard = threading.Semaphore(0), threading.Event()
    awake = rig.machine.cpu._runnable

    def look_for_the_last_time():
        if awake():
            return True
        heard.clear()
        looked.release()
        heard.wait(0.02)  # slow, so that the key comes right now
        return False

    def hear(read):
        heard.set()
        return read()

    rig.machine.cpu._runnable = look_for_the_last_time
    with keyboard(rig, hear) as press_key:

        def press_keys():
            while not over.is_set():
                if looked.acquire(timeout=0.01):
                    press_key()

        with alongside(press_keys):
            try:
                outcome = rig.run()
            finally:
                over.set()
    assert outcome.reason == "poweroff"
    assert len(rig.machine.memory) >= naps


def test_starvation_by_old_stop_requests(tmp_path):
    """A guest that finds one at the start of every turn comes to its end all the same."""
    rig = live_rig({100_000: power_off}, tmp_path / "r")
    begin = rig.session._vcpu._begin

    def begin_with_a_request():
        until = begin()
        rig.machine.cpu.request_stop()
        return until

    rig.session._vcpu._begin = begin_with_a_request
    run_beside(rig, lambda: None)


def test_starvation_of_the_main_loop(tmp_path):
    """A guest that never rests answers each request within three periods."""
    over = threading.Event()
    rig = live_rig({}, tmp_path / "r")
    rig.machine.cpu.pace_s = 0.0001
    periods = []

    def ask():
        for _ in range(50):
            before = len(rig.machine.cpu.periods)
            rig.session.mailbox.ask(lambda: periods.append(len(rig.machine.cpu.periods)))
            periods[-1] -= before
        over.set()
        rig.session.mailbox.leave(lambda: rig.session.post(Arrival("power", b"shutdown")))

    run_beside(rig, ask)
    assert over.is_set()
    assert max(periods) <= 3


def test_recursion(tmp_path):
    """A device that comes back to itself inside the big lock is named, and nothing hangs."""

    def wrong(machine):
        with machine.guard:
            machine.say(b"?")

    rig = live_rig({100: wrong}, tmp_path / "r")
    with (
        alongside(lambda: None),
        pytest.raises(LockError, match=r"big lock .* but holds it already"),
    ):
        rig.run()
    assert rig.locks.big.counts().holder is rig.locks.replay.counts().holder is None


def test_wrong_thread_event(tmp_path):
    """A worker that asks the outside behind the session's back gets an error and no log entry."""
    errors = []

    def work(machine):
        try:
            machine.outlets["rtc"].ask("wall-clock", 8)
        except LockError as error:
            errors.append(str(error))

    def wrong(machine):
        worker = threading.Thread(target=work, args=(machine,), name="worker")
        worker.start()
        worker.join()

    guest = {100: wrong, 200: lambda m: m.look_at_the_clock(), 300: power_off}
    made = live_rig(guest, tmp_path / "r")
    made.run()
    assert len(errors) == 1
    assert "worker" in errors[0]
    assert len(logged(tmp_path / "r", "wall-clock")) == 1


def test_inversion_with_work_on_a_hart(tmp_path):
    """Resets asked for by another thread, one after the other, of a hart that is busy."""
    rig = live_rig({}, tmp_path / "r")
    rig.machine.cpu.pace_s = 0.0001

    def reset():
        for _ in range(20):
            rig.session.mailbox.ask(lambda: rig.session.request(b"reset"))
        rig.session.mailbox.leave(lambda: rig.session.request(b"shutdown"))

    outcome = run_beside(rig, reset)
    assert rig.machine.resets > 0
    same_again({}, tmp_path / "r", rig, outcome)


@pytest.mark.parametrize("why", ["idle", "output"])
def test_drain_deadlock(tmp_path, why):
    """The machine waits for a key, or for a reader of its output: it can be paused all the same,
    and goes on when that comes."""
    stuck, read = threading.Event(), threading.Event()

    def stand_still(machine):
        if why == "idle":
            machine.wait()
        stuck.set()
        machine.say(b"here")

    guest = {1_000: stand_still, 2_000: power_off}
    rig = live_rig(guest, tmp_path / "r")
    rig.serial.congested = lambda: why == "output" and stuck.is_set() and not read.is_set()
    answers = []

    def ask():
        stuck.wait(PATIENCE_S)
        for _ in range(5):
            answers.append(rig.session.mailbox.ask(rig.session.status))
        read.set()
        press(rig)

    outcome = run_beside(rig, ask)
    assert len(answers) == 5
    assert max(each.instructions for each in answers) < 2_000
    same_again(guest, tmp_path / "r", rig, outcome)


def test_owner_thread_change(tmp_path):
    """Built by one thread and run by another, recording and replay."""
    guest = {50: lambda m: m.look_at_the_clock(), 900: lambda m: m.wait(1_000), 5_000: power_off}

    def elsewhere(rig):
        outcomes = []
        thread = threading.Thread(
            target=lambda: outcomes.append(rig.run()), name="runner", daemon=True
        )
        rig.session.hand_over(thread)
        thread.start()
        thread.join(PATIENCE_S)
        (outcome,) = outcomes
        return outcome

    made, path = live_rig(guest, tmp_path / "r"), tmp_path / "r"
    outcome = elsewhere(made)
    again = replay_rig(guest, path)
    assert elsewhere(again) == outcome
    assert again.machine.memory == made.machine.memory


# Time.


@pytest.mark.parametrize("idle", ["real", "skip"])
@pytest.mark.parametrize("ns", [0, 1, 2])
def test_expired_timer_race(tmp_path, idle, ns):
    """A timer that is due when the hart goes to sleep, or a moment later: it wakes, with no key."""
    guest = {
        1_000: lambda m: m.wait(ns),
        2_000: lambda m: m.set_device_timer(ns),
        3_000: lambda m: (m.set_device_timer(ns), m.wait(ns)),
        4_000: power_off,
    }
    rig = live_rig(guest, tmp_path / "r", idle=idle)
    outcome = run_beside(rig, lambda: None)
    fired = [each for each in rig.machine.memory if each[0] == "timer"]
    assert [at for _, at, _ in fired] == [2_000 + max(ns, 1), 3_000 + 1]
    same_again(guest, tmp_path / "r", rig, outcome, idle)


def test_expired_timer_race_between_two_instructions(tmp_path):
    """A timer that is due in the middle of an instruction's time runs right after it."""
    guest = {1_000: lambda m: m.set_device_timer(20), 5_000: power_off}
    rig = live_rig(guest, tmp_path / "r", shift=3)
    outcome = run_beside(rig, lambda: None)
    assert rig.machine.memory == [("timer", 1_003, 1_003 * 8)]
    again = replay_rig(guest, tmp_path / "r", shift=3)
    assert again.run() == outcome
    assert again.machine.memory == rig.machine.memory


class LeapingClock:
    """A host whose clock is an hour on at each look: it slept, or was stopped."""

    def __init__(self):
        self.ns = 0

    def __call__(self):
        self.ns += 3_600 * A_SECOND
        return self.ns


def test_early_warp(tmp_path):
    """However often and late the host looks: no warp while a hart computes, and none past the next
    timer."""
    guest = {
        1_000: lambda m: m.set_device_timer(9_000),
        40_000: lambda m: m.wait(5_000_000),
        50_000: power_off,
    }
    rig = live_rig(guest, tmp_path / "r", clock=LeapingClock())
    rig.machine.cpu.pace_s = 0.001

    def have_it_look():
        while rig.session.mailbox.leave(lambda: None):
            time.sleep(0.001)

    run_beside(rig, have_it_look)
    (timer,) = rig.machine.memory
    assert timer == ("timer", 10_000, 10_000)
    assert [each.ns for each in logged(tmp_path / "r", "warp")] == [5_000_000 - 1]


@pytest.mark.parametrize("idle", ["real", "skip"])
def test_time_backwards(tmp_path, idle):
    """Through waits, jumps, keys after a jump, and resets the virtual clock only rises."""
    seen = {"made": [], "again": []}
    asleep = threading.Event()

    def look(machine):
        machine.memory.append(("now", machine.cpu.virtual_ns))

    guest = {n * 500: look for n in range(1, 60)} | {
        1_100: lambda m: m.wait(2_000_000),
        5_100: lambda m: (m.set_device_timer(1_000_000), m.wait(), asleep.set()),
        9_100: lambda m: m.finish("reboot"),
        9_300: lambda m: m.wait(3_000_000),
        20_100: lambda m: m.set_device_timer(5_000),
        29_900: power_off,
    }
    rig = live_rig(guest, tmp_path / "r", idle=idle)

    def type_after_the_jump():
        asleep.wait(PATIENCE_S)
        while rig.machine.deadline_ns is not None:
            threading.Event().wait(0.001)
        press(rig)

    outcome = run_beside(rig, type_after_the_jump)
    again = same_again(guest, tmp_path / "r", rig, outcome, idle)
    for name, machine in (("made", rig.machine), ("again", again.machine)):
        seen[name] = [each[-1] for each in machine.memory if each[0] in ("now", "timer")]
        assert seen[name] == sorted(seen[name])
    assert seen["made"][-1] >= 6_000_000
    assert len(seen["made"]) == 61


def test_time_backwards_at_a_reset(tmp_path):
    """A machine that starts again does not start its clock again."""
    made = api.record(tmp_path / "r", kernel=str(REBOOT), bios="none", memory=16 << 20, seed=1)
    births = made.console.split(b"life 2")[1].split()  # computed from the virtual clock
    assert births == sorted(set(births))
    assert len(births) == 3
    assert api.replay(tmp_path / "r") == made


# What comes in, and the end.


@pytest.mark.parametrize("idle", ["real", "skip"])
@pytest.mark.parametrize("timer_ns", [None, 3_600 * A_SECOND])
def test_input_wakes_an_idle_machine(tmp_path, idle, timer_ns):
    """With either clock, a key that comes while every hart waits gets through, and wakes it."""
    asleep = threading.Event()

    def sleep(machine):
        machine.wait(timer_ns)
        asleep.set()

    guest = {1_000: sleep, 2_000: lambda m: m.say(b"woken"), 90_000: power_off}
    rig = live_rig(guest, tmp_path / "r", idle=idle)
    rig.machine.cpu.pace_s = 0.001

    def type_in():
        asleep.wait(PATIENCE_S)
        press(rig)

    outcome = run_beside(rig, type_in)
    assert [each[-1] for each in rig.machine.memory] == [Arrival("serial0", b"x")]
    same_again(guest, tmp_path / "r", rig, outcome, idle)


@pytest.mark.parametrize("idle", ["real", "skip"])
@pytest.mark.parametrize("shift", [0, 10])
def test_clock_options_that_cannot_deliver_events(tmp_path, idle, shift):
    """A guest that lives by its timers reads what is typed, whatever its clock does."""
    made = api.record(
        tmp_path / "r",
        typed=b"heads or tails",
        kernel=str(DEMO),
        bios="none",
        memory=16 << 20,
        idle=idle,
        shift=shift,
    )
    assert b"typed meanwhile    heads or tails" in made.console
    assert api.replay(tmp_path / "r") == made


def test_entropy_consumed_twice_on_reset(tmp_path):
    """Three lives, one answer from outside: a reset derives the next life's seed from it."""
    path = tmp_path / "r"
    config = MachineConfig(kernel=str(REBOOT), bios="none", memory=16 << 20)
    with live(config, Console(NullSerial()), recording=path) as session:
        session.run()
    (first,) = logged(path, "entropy")
    assert first.data not in bytes(session._machine.ram.memory)  # where the device tree is
    assert api.replay(path).console.count(b"life") == 3


def run_on(machine, count):
    """So many instructions further, without waiting for timers."""
    cpu = machine.cpu
    end = cpu.icount + count
    while cpu.icount < end:
        if cpu.run(end) is Exit.IDLE:
            cpu.warp(cpu.next_deadline_ns() - cpu.virtual_ns)


def test_restore_side_effects():
    """Restoring asks nothing, says nothing, and leaves exactly what was saved; twice, too."""
    memory = 16 << 20
    outlets = {}

    def build():
        bus, ram = Bus(nullcontext()), Ram(DRAM_BASE, memory)
        cpu = make_cpu("interp", 2, ram, bus, 0)
        config = BoardConfig(memory=memory, harts=2, kernel=IRQ.read_bytes(), rng_seed=b"seed")
        return Machine(config, cpu, ram, bus, lambda port: outlets.setdefault(port, FakeOutlet()))

    def traffic():
        return {port: (list(outlet.asked), outlet.emitted) for port, outlet in outlets.items()}

    machine = build()
    run_on(machine, 20_000)
    machine.deliver(Arrival("serial0", b"typed"))
    saved, then = machine.save(), machine.digests()
    machine.cpu.warp(A_SECOND)
    run_on(machine, 20_000)
    machine.reset()
    for part in ("cpu", "devices", "pages", "resets"):
        assert getattr(machine.save(), part) != getattr(saved, part)
    before = traffic()
    machine.restore(saved)
    machine.restore(saved)
    assert machine.save() == saved
    assert machine.digests().differences(then) == []
    assert traffic() == before


def test_flush_order_at_exit(tmp_path):
    """Last words are logged and shown, a key that comes too late is not, shutdown is the end."""

    def last_words(machine):
        machine.say(b"last words")
        machine.look_at_the_clock()
        machine.finish("poweroff")

    def and_a_late_key(machine):
        press(rig)
        last_words(machine)

    path = tmp_path / "r"
    rig = live_rig({5_000: and_a_late_key}, path)
    outcome = run_beside(rig, lambda: None)
    log = [each.event for each in LogReader(path).events()]
    assert [each.kind for each in log if each.kind != "output"] == [
        "checkpoint",
        "wall-clock",
        "checkpoint",
    ]
    assert log[-1].reason == "shutdown"
    assert rig.serial.data == b"last words"
    same_again({5_000: last_words}, path, rig, outcome)
