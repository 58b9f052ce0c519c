"""Whoever writes to standard error goes on at once, and what was written is not lost."""

import os
import sys
import threading
from contextlib import contextmanager

import pytest

from fakes.pipes import Pipe
from lockstep.host.messages import queued_stderr, unread


@pytest.fixture
def pipe():
    with Pipe() as made:
        made.fill()
        yield made


@contextmanager
def standard_error_is(fd):
    before = os.dup(2)
    os.dup2(fd, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def test_what_nobody_reads_yet_waits_for_the_reader(pipe):
    """All of it, in order; and who wrote it knows that it waits."""
    lines = [f"line {n}" for n in range(1000)]
    with standard_error_is(pipe.writer), queued_stderr():
        print(*lines, sep="\n", file=sys.stderr)
        assert unread()
        reader = threading.Thread(target=pipe.read, args=(b"line 999\n",))
        reader.start()
    reader.join()
    assert pipe.read_so_far == pipe.filling + "".join(f"{line}\n" for line in lines).encode()


def test_who_never_reads_is_not_waited_for(pipe, monkeypatch):
    """For long: it ends, and standard error is as it was."""
    before = sys.stderr
    monkeypatch.setattr("lockstep.host.output.LAST_CALL_SECONDS", 0.01)
    with standard_error_is(pipe.writer), queued_stderr():
        print("the end", file=sys.stderr)
    assert sys.stderr is before


def test_it_looks_like_standard_error():
    """To libraries that colour their output, and to those that write bytes."""
    before = sys.stderr
    with queued_stderr():
        assert sys.stderr is not before
        assert sys.stderr.fileno() == 2
        assert sys.stderr.isatty() == os.isatty(2)
        assert sys.stderr.encoding == before.encoding


def test_no_reader_at_all_is_no_error(capfd):
    """There is nobody to tell."""
    reader, writer = os.pipe()
    os.close(reader)
    with standard_error_is(writer), queued_stderr():
        print("is anybody there?", file=sys.stderr)
    os.close(writer)
    assert capfd.readouterr().err == ""
