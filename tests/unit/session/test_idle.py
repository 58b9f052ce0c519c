"""What the clock does while every hart waits."""

import itertools
import threading
import time

import pytest

from fakes.sessions import live_rig, replay_rig
from lockstep.det.instant import Icount
from lockstep.det.world import Arrival
from lockstep.host.answers import HostAnswers
from lockstep.host.live import Live
from lockstep.replay.log import LogReader
from lockstep.session.idle import Advice, RealIdle, Waiting

A_SECOND = 1_000_000_000


def warps(path):
    return [e.event.ns for e in LogReader(path).events() if e.event.kind == "warp"]


def test_a_real_wait_takes_real_time_and_ends_on_the_timer(tmp_path):
    """The warp is the wait, exactly: not a nanosecond past the timer, nor early."""
    guest = {1_000: lambda m: m.wait(30_000_000), 2_000: lambda m: m.finish("poweroff")}
    started = time.monotonic()
    rig = live_rig(guest, tmp_path / "r")
    rig.run()
    assert time.monotonic() - started >= 0.03
    assert warps(tmp_path / "r") == [30_000_000 - 1]


def test_every_wait_begins_anew():
    """What had passed before, waiting or not, does not count."""
    now = 5
    live = Live(HostAnswers(), {})
    idle = RealIdle(live, lambda: now)
    waiting = Waiting(Icount(0), timer_ns=30, jumped_ns=0, may_hear=True)
    assert idle.advise(waiting) == Advice(wake=False, wait_ns=30)
    now += 30
    assert idle.advise(waiting).wake
    assert [each.port for each in live.arrivals(Icount(0))] == ["warp"]
    now += 7
    assert idle.advise(waiting) == Advice(wake=False, wait_ns=30)


def test_replay_does_not_wait(tmp_path):
    """An hour of waiting, on a host whose clock leaps, is replayed in no time."""
    guest = {1_000: lambda m: m.wait(3_600 * A_SECOND), 2_000: lambda m: m.finish("poweroff")}
    leaping = itertools.count(0, 3_600 * A_SECOND).__next__
    outcome = live_rig(guest, tmp_path / "r", clock=leaping).run()
    started = time.monotonic()
    assert replay_rig(guest, tmp_path / "r").run() == outcome
    assert time.monotonic() - started < 60


def test_a_key_ends_a_wait_before_its_timer(tmp_path):
    """The warp is what had passed, and comes first; the key finds the clock moved."""
    guest = {1_000: lambda m: m.wait(60 * A_SECOND), 2_000: lambda m: m.finish("poweroff")}
    rig = live_rig(guest, tmp_path / "r")
    threading.Timer(
        0.05, rig.session.mailbox.leave, (lambda: rig.session.post(Arrival("serial0", b"x")),)
    ).start()
    outcome = rig.run()
    (warp,) = warps(tmp_path / "r")
    assert 20_000_000 < warp < 10 * A_SECOND
    assert rig.machine.memory == [(1_001, 1_001 + warp, Arrival("serial0", b"x"))]
    again = replay_rig(guest, tmp_path / "r")
    assert again.run() == outcome
    assert again.machine.memory == rig.machine.memory


def test_skipping_takes_no_time_and_logs_nothing(tmp_path):
    """A day of waiting, jumped over, and computed again by the replay."""
    guest = {
        1_000: lambda m: m.wait(86_400 * A_SECOND),
        2_000: lambda m: m.wait(3_600 * A_SECOND),
        3_000: lambda m: m.finish("poweroff"),
    }
    outcome = live_rig(guest, tmp_path / "r", idle="skip").run()
    assert outcome.virtual_ns >= 90_000 * A_SECOND
    assert warps(tmp_path / "r") == []
    assert replay_rig(guest, tmp_path / "r", idle="skip").run() == outcome


def test_two_skipping_runs_have_the_same_digests(tmp_path):
    """Without a log in common: nothing nondeterministic came in."""
    guest = {
        1_000: lambda m: m.wait(A_SECOND),
        2_000: lambda m: m.set_device_timer(77_777),
        2_500: lambda m: m.wait(A_SECOND),
        90_000: lambda m: m.finish("poweroff"),
    }
    totals = []
    for name in ("a", "b"):
        live_rig(guest, tmp_path / name, idle="skip", every=10_000).run()
        totals.append([e.event.total for e in LogReader(tmp_path / name).events()])
    assert totals[0] == totals[1]
    assert len(totals[0]) > 5


def test_a_key_after_a_jump_that_woke_nobody_is_replayed_in_that_order(tmp_path):
    """A device's timer passes while the hart sleeps on; then a key comes, at the same instruction.

    The jump was not logged when it was made. The replay must make it before the key, all the same.
    """
    guest = {
        1_000: lambda m: (m.set_device_timer(5_000_000), m.wait()),
        2_000: lambda m: m.finish("poweroff"),
    }
    rig = live_rig(guest, tmp_path / "r", idle="skip")
    threading.Timer(
        0.05, rig.session.mailbox.leave, (lambda: rig.session.post(Arrival("serial0", b"x")),)
    ).start()
    outcome = rig.run()
    assert [each[0] for each in rig.machine.memory] == ["timer", 1_001]
    again = replay_rig(guest, tmp_path / "r", idle="skip")
    assert again.run() == outcome
    assert again.machine.memory == rig.machine.memory


@pytest.mark.parametrize("idle", ["real", "skip"])
def test_a_guest_that_waits_forever_is_told_so(tmp_path, idle):
    """No timer, no input possible: the session ends, and its replay too."""
    guest = {1_000: lambda m: m.wait()}
    outcome = live_rig(guest, tmp_path / "r", idle=idle, hears=False).run()
    assert (outcome.reason, outcome.exit_status) == ("idle", 7)
    assert "waits forever" in outcome.describe()
    assert replay_rig(guest, tmp_path / "r", idle=idle).run() == outcome
