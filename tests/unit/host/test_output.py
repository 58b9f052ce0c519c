"""Output never holds the machine up for long."""

import errno
import os
import threading

from fakes.pipes import Pipe
from lockstep.host.output import BACKLOG_LIMIT, OutputPump, write_all


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
    """A full disk does not stop the machine; why output was lost is told in the end."""

    def full(data):
        raise OSError(errno.ENOSPC, "full")

    pump = OutputPump("test", full)
    pump.put(b"x")
    for _ in range(10):
        pump.put(b"y" * BACKLOG_LIMIT)
    pump.close()
    assert pump.lost.errno == errno.ENOSPC


def test_a_reader_who_left_has_lost_nothing():
    """`| head` is not an error."""

    def broken(data):
        raise BrokenPipeError

    pump = OutputPump("test", broken)
    pump.put(b"x")
    pump.close()
    assert pump.lost is None


def test_a_reader_who_does_not_read_to_the_end_loses_it():
    """What is left then is not written, and that is not passed over."""
    reading = threading.Event()
    pump = OutputPump("test", lambda data: reading.wait())
    pump.put(b"x")
    pump.close(patience=0.01)
    assert pump.lost.errno == errno.ETIMEDOUT
    reading.set()


def test_a_flush_waits_for_what_is_being_written():
    """And no longer than it was told to."""
    reading = threading.Event()
    written = []
    pump = OutputPump("test", lambda data: (reading.wait(), written.append(data)))
    pump.put(b"x")
    pump.flush(0.01)
    assert written == []
    reading.set()
    pump.flush(10)
    assert written == [b"x"]


def test_a_slow_reader_is_reported_and_never_waited_for():
    """Whoever puts holds locks: it is told to stop, and that is over once somebody reads."""
    reading, stuck = threading.Event(), threading.Event()

    def read(data):
        stuck.set()
        reading.wait()

    pump = OutputPump("test", read)
    pump.put(b"x")
    stuck.wait(5)
    pump.put(b"x" * BACKLOG_LIMIT)
    assert not pump.congested
    for _ in range(10):
        pump.put(b"x" * BACKLOG_LIMIT)
    assert pump.congested
    reading.set()
    pump.close()
    assert not pump.congested


def test_abandoned_output_is_thrown_away_at_once():
    """Who wants to quit does not wait for a reader that never reads."""
    reading = threading.Event()
    pump = OutputPump("test", lambda data: reading.wait())
    pump.put(b"x" * 2 * BACKLOG_LIMIT)
    pump.abandon()
    pump.put(b"y" * 2 * BACKLOG_LIMIT)
    assert not pump.congested
    pump.close()
    assert pump.lost is None
    reading.set()


def test_a_stream_that_does_not_block_is_waited_for_all_the_same():
    """Whoever is at the other end may have it so; nothing gets lost by that."""
    with Pipe() as pipe:
        pipe.fill()
        os.set_blocking(pipe.writer, False)
        reader = threading.Thread(target=pipe.read, args=(b"end",))
        writer = threading.Thread(target=write_all, args=(pipe.writer, b"the end"))
        writer.start()
        reader.start()
        writer.join(5)
        reader.join(5)
        assert pipe.read_so_far == pipe.filling + b"the end"
