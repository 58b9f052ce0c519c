"""Output never holds the machine up for long."""

import threading

from lockstep.host.output import BACKLOG_LIMIT, OutputPump


def test_bytes_come_out_in_order_and_gathered():
    """A thousand single bytes make few writes."""
    writes = []
    pump = OutputPump("test", writes.append)
    for n in range(1000):
        pump.put(bytes([n % 256]))
    pump.close()
    assert b"".join(writes) == bytes(n % 256 for n in range(1000))
    assert len(writes) < 100


def test_a_writer_that_fails_loses_output_and_nothing_else():
    """A closed pipe does not stop the machine."""

    def broken(data):
        raise BrokenPipeError

    pump = OutputPump("test", broken)
    pump.put(b"x")
    for _ in range(10):
        pump.put(b"y" * BACKLOG_LIMIT)
    pump.close()


def test_who_runs_too_far_ahead_waits_until_it_is_abandoned():
    """A reader that stops reading makes the machine wait, but not the one who wants to quit."""
    stuck, waiting = threading.Event(), threading.Event()
    pump = OutputPump("test", lambda data: stuck.wait())

    def machine():
        for _ in range(10):
            pump.put(b"x" * BACKLOG_LIMIT)
        waiting.set()

    thread = threading.Thread(target=machine)
    thread.start()
    assert not waiting.wait(0.1)
    pump.abandon()
    assert waiting.wait(5)
    stuck.set()
    thread.join()
    pump.close()
