"""Every way in which a session ends: its name, its status, and that its replay ends alike."""

import os
import signal
import threading
from itertools import count

import pytest

from fakes.sessions import live_rig, replay_rig
from lockstep.det.instant import LATEST_NS, Icount
from lockstep.det.world import Arrival
from lockstep.replay.format import Checkpoint, Power, Warp
from lockstep.replay.log import LogReader
from lockstep.session.outcome import ENDINGS, Until

MS = 1_000_000
BUSY = {}
ASLEEP = {1_000: lambda m: m.wait()}


@pytest.fixture
def default_hangup():
    """SIGHUP is not ignored, as it is where the tests run under nohup: that would have its way."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def ended(rig, guest, path, *, idle="real", shift=0):
    """How it ended, once its recording has been seen to be whole and to replay to the same end."""
    outcome = rig.run()
    log = LogReader(path)
    assert (log.complete, log.ending.reason) == (True, outcome.reason)
    *_, request, last = (logged.event for logged in log.events())
    assert request == Power(outcome.reason)
    assert isinstance(last, Checkpoint)
    assert replay_rig(guest, path, idle=idle, shift=shift).run() == outcome
    return outcome


def test_an_instant_that_was_asked_for(tmp_path):
    """Exactly there, which is no failure."""
    guest = {**BUSY, 50_000: lambda m: m.finish("poweroff")}
    rig = live_rig(guest, tmp_path / "r", every=1_000, until=Until(Icount(4_567)))
    outcome = ended(rig, guest, tmp_path / "r")
    assert (outcome.reason, outcome.instructions, outcome.exit_status) == ("until", 4_567, 0)


def test_a_virtual_time_that_a_busy_guest_reaches(tmp_path):
    """The first instant at which it is that late."""
    rig = live_rig(BUSY, tmp_path / "r", shift=3, until=Until(virtual_ns=80_001))
    outcome = ended(rig, BUSY, tmp_path / "r", shift=3)
    assert (outcome.reason, outcome.instructions) == ("until", 10_001)


@pytest.mark.parametrize("idle", ["real", "skip"])
@pytest.mark.parametrize("timer", [None, 3_600_000 * MS])
def test_a_virtual_time_that_an_idle_guest_reaches(tmp_path, idle, timer):
    """It does not wait for what comes later, or never."""
    guest = {1_000: lambda m: m.wait(timer)}
    rig = live_rig(guest, tmp_path / "r", idle=idle, until=Until(virtual_ns=20 * MS))
    outcome = ended(rig, guest, tmp_path / "r", idle=idle)
    assert (outcome.reason, outcome.instructions, outcome.virtual_ns) == ("until", 1_001, 20 * MS)


def test_a_virtual_time_after_jumps_that_woke_nobody(tmp_path):
    """They were not logged when they were made; the log says so before the end."""
    guest = {1_000: lambda m: (m.set_device_timer(5 * MS), m.wait())}
    rig = live_rig(guest, tmp_path / "r", idle="skip", until=Until(virtual_ns=7 * MS))
    assert ended(rig, guest, tmp_path / "r", idle="skip").virtual_ns == 7 * MS
    jumps = [e.event.ns for e in LogReader(tmp_path / "r").events() if isinstance(e.event, Warp)]
    assert jumps == [7 * MS - 1_001]


def test_an_unrecorded_session_ends_there_too():
    """Without a log there is nothing to tell."""
    assert live_rig(BUSY, until=Until(Icount(123))).run().instructions == 123


def test_the_end_of_virtual_time(tmp_path):
    """Nothing comes after it: the session ends there, and its replay, and it is said why."""
    rig = live_rig(BUSY, tmp_path / "r")
    rig.session.post(Arrival("warp", (LATEST_NS - 5_000).to_bytes(8, "little")))
    outcome = ended(rig, BUSY, tmp_path / "r")
    assert (outcome.reason, outcome.virtual_ns) == ("end-of-time", LATEST_NS)
    assert (outcome.instructions, outcome.exit_status) == (5_000, 0)


def test_who_waits_longer_than_virtual_time_lasts(tmp_path):
    """A key comes when it is over: the clock goes to the end, and no further."""
    guest = {10: lambda m: m.wait()}
    rig = live_rig(guest, tmp_path / "r", clock=count(0, 200).__next__)
    rig.session.post(Arrival("warp", (LATEST_NS - 1_000).to_bytes(8, "little")))
    wake = threading.Timer(0.05, rig.session.mailbox.leave, (lambda: rig.session.type_in(b"x"),))
    wake.start()
    assert rig.run().reason == "end-of-time"
    assert replay_rig(guest, tmp_path / "r").run().reason == "end-of-time"


@pytest.mark.parametrize("guest", [BUSY, ASLEEP], ids=["busy", "asleep"])
def test_a_timeout(tmp_path, guest):
    """By the host's clock, whatever the guest does; a failure as timeout(1) has it."""
    rig = live_rig(guest, tmp_path / "r", timeout_ns=30 * MS)
    rig.machine.cpu.pace_s = 0.0001
    outcome = ended(rig, guest, tmp_path / "r")
    assert (outcome.reason, outcome.exit_status) == ("timeout", 124)


@pytest.mark.parametrize(
    ("number", "reason", "status"),
    [
        (signal.SIGHUP, "hangup", 129),
        (signal.SIGINT, "interrupt", 130),
        (signal.SIGTERM, "terminate", 143),
    ],
)
@pytest.mark.parametrize("asleep", [False, True], ids=["busy", "asleep"])
def test_signals_are_told_apart(tmp_path, default_hangup, asleep, number, reason, status):
    """As a shell does it: 128 and the number of the signal."""
    sent = []

    def at_1000(machine):
        if not sent:  # in the session, and not in its replay again
            sent.append(os.kill(os.getpid(), number))
        if asleep:
            machine.wait()

    guest = {1_000: at_1000}
    rig = live_rig(guest, tmp_path / "r")
    rig.machine.cpu.pace_s = 0.0001
    outcome = ended(rig, guest, tmp_path / "r")
    assert (outcome.reason, outcome.exit_status) == (reason, status)


def test_the_first_reason_to_end_is_the_one(tmp_path):
    """A signal that comes when the time is over changes nothing any more."""
    rig = live_rig(BUSY, tmp_path / "r", timeout_ns=0)
    rig.session._signals.received = signal.SIGTERM
    assert ended(rig, BUSY, tmp_path / "r").reason == "terminate"


@pytest.mark.parametrize(("kind", "code"), [("poweroff", 0), ("fail", 7)])
def test_what_the_guest_said_of_itself(tmp_path, kind, code):
    """Only the guest can say so."""
    rig = live_rig({1_000: lambda m: m.finish(kind, code)}, tmp_path / "r")
    outcome = rig.run()
    assert (outcome.guest_code, outcome.exit_status) == (code, 1 if code else 0)
    assert live_rig(BUSY, until=Until(Icount(9))).run().guest_code is None


def test_every_request_to_end_has_a_name():
    """A recording holds the names: they stay."""
    assert {each.decode() for each in ENDINGS} == {
        *("idle", "until", "end-of-time", "log-full", "quit"),
        *("timeout", "hangup", "interrupt", "terminate"),
    }
