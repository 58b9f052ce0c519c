"""The lock rules of DESIGN 2: each is broken here, and the error must say what went wrong."""

import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from lockstep.det.fifo import LockError
from lockstep.det.locks import Deadlock, Locks
from lockstep.errors import InternalError


def in_thread(name: str, body: Callable[[], Any]) -> Any:
    """Run `body` in a thread called `name` and give back its result or its exception."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(body())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run, name=name)
    thread.start()
    thread.join(20)
    assert not thread.is_alive(), "the thread hangs"
    return outcome[0]


@pytest.fixture
def locks() -> Locks:
    return Locks(enabled=True, clock=count(0, 10).__next__)


def take_big_here(locks: Locks) -> None:
    locks.big.acquire()


def take_replay_here(locks: Locks) -> None:
    locks.replay.acquire()


def waiters(locks: Locks) -> int:
    return len(locks.replay._queue)


def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread to get somewhere, without a clock."""
    pause = threading.Event()
    for _ in range(20_000):
        if condition():
            return
        pause.wait(0.001)
    raise AssertionError("the condition never came true")


def test_replay_mutex_after_big_lock_names_both_locks_the_thread_and_both_places(
    locks: Locks,
) -> None:
    def wrong_order() -> None:
        take_big_here(locks)
        try:
            take_replay_here(locks)
        finally:
            locks.big.release()

    error = in_thread("vcpu", wrong_order)
    assert isinstance(error, LockError)
    assert isinstance(error, InternalError)
    text = str(error)
    assert "'vcpu'" in text
    assert "takes the replay mutex at det/test_locks.py:" in text
    assert "in take_replay_here while holding the big lock" in text
    assert "in take_big_here: the replay mutex comes first" in text
    assert locks.replay.counts().holder is None


def test_the_order_rule_holds_for_with_statements_too(locks: Locks) -> None:
    with locks.big, pytest.raises(LockError, match="while holding the big lock"), locks.replay:
        pass
    with locks.replay, locks.big:
        assert locks.replay.held()
        assert locks.big.held()


def test_the_replay_mutex_may_be_dropped_while_the_big_lock_is_held(locks: Locks) -> None:
    locks.replay.acquire()
    locks.big.acquire()
    locks.replay.release()
    assert locks.big.held()
    assert in_thread("main", lambda: (locks.replay.acquire(), locks.replay.release())) is not None
    locks.big.release()


def test_another_threads_big_lock_does_not_hinder_the_replay_mutex(locks: Locks) -> None:
    with locks.big:
        assert in_thread("vcpu", lambda: (locks.replay.acquire(), locks.replay.release()))


@pytest.mark.parametrize("name", ["replay", "big"])
def test_neither_lock_is_reentrant(locks: Locks, name: str) -> None:
    lock = getattr(locks, name)
    lock.acquire()
    with pytest.raises(LockError, match=rf"takes the {lock.name} at .*holds it already, taken at"):
        lock.acquire()
    lock.release()


@pytest.mark.parametrize("name", ["replay", "big"])
def test_releasing_a_lock_of_another_names_its_holder(locks: Locks, name: str) -> None:
    lock = getattr(locks, name)

    def hold_here() -> None:
        lock.acquire()

    in_thread("vcpu", hold_here)
    with pytest.raises(
        LockError, match=r"'MainThread' releases the .*'vcpu', taken at .*hold_here"
    ):
        lock.release()


@pytest.mark.parametrize("name", ["replay", "big"])
def test_releasing_a_free_lock_is_refused(locks: Locks, name: str) -> None:
    with pytest.raises(LockError, match="nobody holds it"):
        getattr(locks, name).release()


def test_release_if_held_never_complains_and_never_takes_from_another(locks: Locks) -> None:
    locks.replay.release_if_held()
    locks.replay.acquire()
    in_thread("main", locks.replay.release_if_held)
    assert locks.replay.held()
    locks.replay.release_if_held()
    assert not locks.replay.held()


def test_logging_without_the_mutex_is_refused(locks: Locks) -> None:
    with pytest.raises(LockError, match=r"logging an arrival .* without the replay mutex .*nobody"):
        locks.replay.require_held("logging an arrival")
    with locks.replay:
        locks.replay.require_held("logging an arrival")


def test_without_record_or_replay_the_mutex_does_nothing() -> None:
    locks = Locks(enabled=False)
    with locks.big:
        locks.replay.acquire()
        locks.replay.acquire()
    locks.replay.release()
    locks.replay.require_held("anything")
    locks.replay.transfer_to(threading.current_thread())
    in_thread("other", locks.replay.adopt)
    assert not locks.replay.held()
    assert locks.replay.counts().threads == ()
    assert not locks.replay.counts().enabled


def test_waiters_are_served_in_the_order_they_came(locks: Locks) -> None:
    served: list[int] = []

    def wait_in_line(number: int) -> None:
        with locks.replay:
            served.append(number)

    locks.replay.acquire()
    threads = [threading.Thread(target=wait_in_line, args=(n,)) for n in range(8)]
    for number, thread in enumerate(threads):
        thread.start()
        until(lambda number=number: waiters(locks) == number + 1)
    locks.replay.release()
    for thread in threads:
        thread.join(20)
    assert served == list(range(8))


def test_a_spinning_thread_cannot_starve_another(locks: Locks) -> None:
    """Whoever waits gets the mutex at the next release: the spinner holds it at most once more."""
    turns: list[str] = []
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            with locks.replay:
                turns.append("spinner")

    spinner = threading.Thread(target=spin, name="spinner")
    spinner.start()
    until(lambda: len(turns) > 3)
    overtaken = []
    for _ in range(200):
        locks.replay.acquire()
        mark = len(turns)
        locks.replay.release()
        locks.replay.acquire()
        overtaken.append(len(turns) - mark)
        locks.replay.release()
    stop.set()
    spinner.join(20)
    assert max(overtaken) <= 1


def test_two_threads_play_ping_pong_while_both_stay_in_line(locks: Locks) -> None:
    """While each always has the other waiting behind it, holds strictly alternate."""
    turns: list[str] = []

    def play(name: str) -> None:
        for _ in range(200):
            with locks.replay:
                turns.append(name)
                if len(turns) < 399:
                    until(lambda: waiters(locks) == 1)

    players = [threading.Thread(target=play, args=(name,)) for name in ("ping", "pong")]
    locks.replay.acquire()
    for number, player in enumerate(players):
        player.start()
        until(lambda number=number: waiters(locks) == number + 1)
    locks.replay.release()
    for player in players:
        player.join(60)
    assert turns == ["ping", "pong"] * 200


def test_start_up_hands_both_locks_to_the_thread_that_runs(locks: Locks) -> None:
    """The building thread holds both; nobody slips in between transfer and adoption."""
    order: list[str] = []

    def run() -> None:
        locks.adopt()
        order.append("vcpu adopts")
        assert locks.replay.held()
        assert locks.big.held()
        locks.big.release()
        locks.replay.release()

    def interloper() -> None:
        with locks.replay:
            order.append("interloper")

    locks.replay.acquire()
    locks.big.acquire()
    vcpu = threading.Thread(target=run, name="vcpu")
    other = threading.Thread(target=interloper)
    locks.transfer_to(vcpu)
    assert not locks.replay.held()
    assert locks.replay.counts().holder == "vcpu"
    other.start()
    until(lambda: waiters(locks) == 1)
    vcpu.start()
    vcpu.join(20)
    other.join(20)
    assert order == ["vcpu adopts", "interloper"]


def test_adopting_what_was_given_to_another_is_refused(locks: Locks) -> None:
    locks.replay.acquire()
    locks.replay.transfer_to(threading.Thread(name="vcpu"))
    with pytest.raises(LockError, match=r"'MainThread' adopts .* not transferred to it .*'vcpu'"):
        locks.replay.adopt()


def test_transferring_what_is_not_held_is_refused(locks: Locks) -> None:
    with pytest.raises(LockError, match=r"transfers the replay mutex .* nobody holds it"):
        locks.replay.transfer_to(threading.current_thread())


@pytest.fixture
def held_by_vcpu(locks: Locks) -> Iterator[Locks]:
    go = threading.Event()
    ready = threading.Event()

    def hold() -> None:
        with locks.replay:
            ready.set()
            go.wait(20)

    thread = threading.Thread(target=hold, name="vcpu")
    thread.start()
    ready.wait(20)
    yield locks
    go.set()
    thread.join(20)


def test_shut_down_from_any_thread_lets_every_waiter_go(held_by_vcpu: Locks) -> None:
    """After `close` the mutex is a no-op, also for the thread that held it."""
    locks = held_by_vcpu
    waiting = threading.Thread(target=lambda: (locks.replay.acquire(), locks.replay.release()))
    waiting.start()
    until(lambda: waiters(locks) == 1)
    locks.replay.close()
    waiting.join(20)
    assert not waiting.is_alive()
    locks.replay.acquire()
    locks.replay.release()
    assert locks.replay.counts().holder is None


def test_an_exception_releases_both_locks(locks: Locks) -> None:
    with pytest.raises(ValueError, match="guest"), locks.replay, locks.big:
        raise ValueError("guest")
    assert locks.replay.counts().holder is None
    assert locks.big.counts().holder is None


def test_an_interrupted_waiter_leaves_the_queue(
    held_by_vcpu: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while waiting: the interrupt gets through and the queue forgets the waiter."""

    class Interrupted:
        def acquire(self) -> None:
            if self.armed:
                raise KeyboardInterrupt
            self.armed = True

        armed = False

    monkeypatch.setattr("lockstep.det.fifo.threading.Lock", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        held_by_vcpu.replay.acquire()
    assert waiters(held_by_vcpu) == 0
    assert held_by_vcpu.replay.counts().holder == "vcpu"


@pytest.mark.parametrize("name", ["replay", "big"])
def test_waiting_for_a_thread_with_a_lock_in_hand_is_a_deadlock(locks: Locks, name: str) -> None:
    other = threading.Thread(name="vcpu")
    with (
        getattr(locks, name),
        pytest.raises(
            Deadlock,
            match=r"'MainThread' waits for thread 'vcpu' to pause while holding the .* taken at "
            r".*test_waiting.*must be released first",
        ),
    ):
        locks.wait_point("pause").wait_for(other)


def test_waiting_for_one_another_is_a_deadlock(locks: Locks) -> None:
    main = threading.current_thread()
    point = locks.wait_point("take work")
    vcpu = threading.Thread(target=point.wait_for, args=(main,), name="vcpu")
    vcpu.start()
    until(lambda: vcpu in locks._waiting)
    with pytest.raises(Deadlock, match="'MainThread' waits for 'vcpu' waits for 'MainThread'"):
        locks.wait_point("pause").wait_for(vcpu)
    point.arrive()
    vcpu.join(20)


def test_waiting_for_oneself_is_a_deadlock(locks: Locks) -> None:
    with pytest.raises(Deadlock, match="threads wait for each other to pause"):
        locks.wait_point("pause").wait_for(threading.current_thread())


def test_waiting_for_a_thread_that_has_ended_is_a_deadlock(
    locks: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockstep.det.locks._LIVENESS_CHECK_SECONDS", 0.01)
    gone = threading.Thread(target=lambda: None, name="vcpu")
    gone.start()
    gone.join()
    with pytest.raises(Deadlock, match="'vcpu' to pause, but that thread has ended"):
        locks.wait_point("pause").wait_for(gone)


def test_a_wait_point_is_passed_when_the_other_arrives_and_can_be_used_again(
    locks: Locks,
) -> None:
    point = locks.wait_point("pause")
    for _ in range(3):
        point.reset()
        vcpu = threading.Thread(target=point.arrive, name="vcpu")
        vcpu.start()
        assert point.wait_for(vcpu)


def test_a_wait_point_gives_up_after_its_timeout(locks: Locks) -> None:
    stop = threading.Event()
    vcpu = threading.Thread(target=stop.wait, args=(20,), name="vcpu")
    vcpu.start()
    assert not locks.wait_point("pause").wait_for(vcpu, timeout=0.01)
    stop.set()
    vcpu.join()


def test_counts_tell_holds_waits_hand_overs_and_the_longest_wait(locks: Locks) -> None:
    """The clock of these locks advances by 10 at each look: one wait lasts 10."""
    locks.replay.acquire()
    vcpu = threading.Thread(
        target=lambda: (locks.replay.acquire(), locks.replay.release()), name="vcpu"
    )
    vcpu.start()
    until(lambda: waiters(locks) == 1)
    locks.replay.release()
    vcpu.join(20)
    counts = locks.replay.counts()
    by_thread = {each.thread: each for each in counts.threads}
    main, other = by_thread["MainThread"], by_thread["vcpu"]
    assert (main.holds, main.waits, main.hand_overs) == (1, 0, 1)
    assert (other.holds, other.waits, other.hand_overs) == (1, 1, 0)
    assert other.waited_ns == other.longest_wait_ns == 10
    assert counts.lock == "replay mutex"
    with pytest.raises(AttributeError):
        other.holds = 5


def test_counts_for_people(locks: Locks) -> None:
    """A line for each thread and lock."""
    with locks.replay, locks.big:
        pass
    replay, big = locks.counts()
    assert replay.lines() == [
        "replay mutex, MainThread: taken 1 times, handed over 0 times; "
        "waited 0 times, 0.0 ms in all, 0.0 ms at most"
    ]
    assert len(big.lines()) == 1
