"""The harness that bothers sessions finds bugs: each of these was one, or might have been."""

import itertools

import pytest

from lockstep.cpu.engine import Exit
from lockstep.errors import InternalError
from lockstep.host import output
from lockstep.host.output import OutputPump
from lockstep.session.control import Mailbox, _Letter
from lockstep.session.vcpu import VCpu
from stress.schedules.scenario import STAGE, STREET, play
from stress.schedules.stage import Stage

MOST_SEEDS = 300


def first_failure(directory):
    for seed in range(MOST_SEEDS):
        schedule = play(seed, directory)
        if schedule.failure is not None:
            return schedule
    raise AssertionError(f"{MOST_SEEDS} schedules found nothing")


def pause_forgets_who_ended(self):
    self._paused.reset()
    with self._turn:
        self._pausing = True
        self._turn.notify_all()
    self._cpu.request_stop()
    if self.thread.is_alive():
        self._paused.wait_for(self.thread)


def go_on_tells_nobody(self):
    with self._turn:
        self._wanted = False


def wake_tells_nobody(self, jump_ns=None):
    self._jump_ns = jump_ns
    with self._turn:
        self._idle = False


def post_does_not_ring(self, letter):
    with self._guard:
        if self._closed:
            raise InternalError("the session is over")
        self._letters.append(letter)


def a_turn_is_owed_to_who_sleeps(self):
    self._owed = True
    self._turn.notify_all()


def idle_does_not_ring(self, exit):
    self._heed_power()
    if self.outcome is None and exit is Exit.IDLE:
        self._idle = True
        self._ring = lambda: None


def output_is_waited_for(self, data):
    with self._changed:
        if self._discarding:
            return
        if not self._backlog:
            self._changed.notify_all()
        self._backlog += data
        while len(self._backlog) > output.BACKLOG_LIMIT and not self._discarding:
            self._changed.wait()


def exit_leaves_the_asker(self):
    try:
        self.value = self.work()
    except Exception as error:
        self.error = error
    self.answered.arrive()


PLANTED = [
    (VCpu, "pause", pause_forgets_who_ended),
    (VCpu, "go_on", go_on_tells_nobody),
    (VCpu, "wake", wake_tells_nobody),
    (VCpu, "_let_go", a_turn_is_owed_to_who_sleeps),
    (VCpu, "_account", idle_does_not_ring),
    (Mailbox, "_post", post_does_not_ring),
    (OutputPump, "put", output_is_waited_for),
    (_Letter, "serve", exit_leaves_the_asker),
]


@pytest.mark.parametrize(
    ("where", "name", "bug"), PLANTED, ids=[bug.__name__ for *_, bug in PLANTED]
)
def test_a_planted_bug_is_found(tmp_path, monkeypatch, where, name, bug):
    """Within a few hundred schedules, and its seed finds it again."""
    monkeypatch.setattr(where, name, bug)
    found = first_failure(tmp_path)
    again = play(found.seed, tmp_path)
    assert again.failure is not None
    assert again.steps == found.steps


def test_a_hang_is_reported_with_every_stack_and_the_locks(tmp_path, monkeypatch):
    """Enough to find out why."""
    monkeypatch.setattr(VCpu, "wake", wake_tells_nobody)
    report = first_failure(tmp_path).failure
    assert "nobody can go on" in report
    assert "replay mutex: held by" in report
    assert "thread 'vCPU': wait on a condition" in report
    assert "in _rest" in report


def test_a_seed_repeats_its_schedule(tmp_path):
    """To the last decision."""
    for seed in (1, 2, 3):
        one, other = play(seed, tmp_path), play(seed, tmp_path)
        assert one == other
        assert one.failure is None


@pytest.mark.parametrize("place", [STAGE, STREET])
def test_nothing_is_left_behind(tmp_path, place):
    """Neither threads nor recordings."""
    assert play(4, tmp_path, place).failure is None
    assert list(tmp_path.iterdir()) == []


def test_threads_on_a_stage_run_one_at_a_time():
    """Each between two of its own points alone."""
    from stress.schedules.primitives import Thread

    stage = Stage(1)
    inside, most = itertools.count(), []

    def actor():
        for _ in range(20):
            first = next(inside)
            most.append(next(inside) - first)
            stage.point("between")

    def first():
        for _ in range(3):
            Thread(stage, actor).start()

    stage.run(Thread(stage, first), 10)
    assert stage.failure is None
    assert set(most) == {1}
    assert len(most) == 60
