"""Waiting, and being woken."""

import os
import select
import signal
import threading
import time

from lockstep.host.poller import Poller
from lockstep.host.signals import StopSignals


def assert_silent(poller: Poller) -> None:
    """Nothing ends the wait but its time."""
    started = time.monotonic()
    assert poller.wait([], 50_000_000) == []
    assert time.monotonic() - started >= 0.049


def test_a_bell_rung_by_another_thread_ends_the_wait():
    """And one rung before it, too; once."""
    poller = Poller()
    threading.Timer(0.05, poller.ring).start()
    assert poller.wait([], None) == []
    poller.ring()
    poller.ring()
    assert poller.wait([], None) == []
    assert_silent(poller)
    poller.close()


def test_ready_sources_are_named():
    """A plain file is always ready: standard input may be one."""
    poller = Poller()
    inside, outside = os.pipe()
    with open(__file__) as file:
        assert poller.wait([inside, file.fileno()], None) == [file.fileno()]
    os.write(outside, b"x")
    assert poller.wait([inside], None) == [inside]
    os.close(inside)
    os.close(outside)
    poller.close()


def test_a_signal_is_noted_and_rings_and_the_handlers_are_put_back():
    """No exception is raised in whatever was running."""
    before = signal.getsignal(signal.SIGINT)
    rung = []
    with StopSignals(lambda: rung.append(True)) as signals:
        assert signals.received is None
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.received == signal.SIGINT
        assert rung == [True]
        os.kill(os.getpid(), signal.SIGINT)
        # Whoever presses a third time means it.
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_that_another_thread_is_given_ends_the_wait():
    """The kernel chooses the thread; the handler runs in the one that waits."""
    poller = Poller()

    def take_it() -> None:
        time.sleep(0.1)  # so that the other one waits already
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    with StopSignals(poller.ring, poller.bell) as signals:
        taker = threading.Thread(target=take_it)
        taker.start()
        started = time.monotonic()
        poller.wait([], 10_000_000_000)
        assert time.monotonic() - started < 5
        assert signals.received == signal.SIGINT
        taker.join()
    assert signal.set_wakeup_fd(-1) == -1
    poller.close()


def test_a_bell_of_somebody_else_that_is_closed_meanwhile():
    """The handlers are put back all the same, and no bell is left that is another file's."""
    before = signal.getsignal(signal.SIGINT)
    theirs, ours = Poller(), Poller()
    signal.set_wakeup_fd(theirs.bell)
    with StopSignals(ours.ring, ours.bell):
        theirs.close()
    assert signal.getsignal(signal.SIGINT) is before
    assert signal.set_wakeup_fd(-1) == -1
    ours.close()


def test_a_bell_that_nobody_hears_may_be_rung_for_ever():
    """As often as one likes; it is heard when somebody listens, and then no more."""
    poller = Poller()
    for _ in range(100_000):
        poller.ring()
    assert poller.wait([], None) == []
    assert_silent(poller)
    poller.close()


def test_a_bell_that_was_given_back_is_not_rung() -> None:
    """Its number may be another file's by now."""
    poller = Poller()
    poller.close()
    read, write = os.pipe()
    try:
        poller.ring()
        assert select.select([read], [], [], 0)[0] == []
    finally:
        os.close(read)
        os.close(write)
