"""Standard error that nobody reads holds nothing up: not the guest, not the keys, not the end."""

import os
from contextlib import contextmanager
from pathlib import Path

import pytest

from fakes.pipes import Pipe, fill
from lockstep.session import api

BUILT = Path(__file__).parents[3] / "guests" / "build"
MACHINE = ("--bios", "none", "--kernel", BUILT / "beat.elf", "--memory", "16M")
CHATTER = b"\x01c" + b"help\r" * 5 + b"\x01c"


@pytest.fixture
def pipe():
    with Pipe() as made:
        yield made


@contextmanager
def stopped_terminal():
    master, slave = os.openpty()
    fill(slave)
    try:
        yield slave
    finally:
        os.close(master)
        os.close(slave)


def beats_on(tty):
    """The guest runs."""
    for _ in range(5):
        tty.expect(b"beat")


def test_the_monitor_does_not_wait_for_a_reader(terminal, pipe, tmp_path):
    """It answers with both locks held. The guest goes on, and what was said is there later."""
    tty = terminal("record", "-o", tmp_path / "r", *MACHINE, messages=pipe.writer)
    beats_on(tty)
    pipe.fill()
    tty.type(CHATTER)
    beats_on(tty)
    assert pipe.read(b"(lockstep) \n").count(b"system_reset") == 5
    tty.type(b"\x01x")
    assert tty.ended() == 0
    assert api.info(tmp_path / "r")["complete"]


def test_the_end_does_not_wait_for_ever(terminal, pipe, tmp_path):
    """Ctrl-A x ends a session whose messages are never read; the recording is whole."""
    tty = terminal("record", "-o", tmp_path / "r", *MACHINE, messages=pipe.writer)
    beats_on(tty)
    pipe.fill()
    tty.type(CHATTER + b"\x01x")
    assert tty.ended() == 0
    assert api.info(tmp_path / "r")["complete"]


def test_a_bar_is_gone_before_the_result_comes(terminal, tmp_path):
    """It is erased with the line above the cursor: a line too late, and that is the result's."""
    api.record(tmp_path / "r", kernel=str(BUILT / "compute.elf"), bios="none", memory=16 << 20)
    tty = terminal("profile", tmp_path / "r", "--every", 1_000_000)
    tty.expect(b"samples")
    assert tty.ended() == 0
    assert b"\x1b[2K" not in tty.rest()


def test_progress_does_not_wait_for_a_stopped_terminal(terminal, tmp_path):
    """Ctrl-S, and nobody there to press Ctrl-Q: the replay goes on to its end."""
    api.record(tmp_path / "r", kernel=str(BUILT / "compute.elf"), bios="none", memory=16 << 20)
    with stopped_terminal() as stopped:
        tty = terminal("verify", tmp_path / "r", messages=stopped)
        tty.expect(b"digests")
        assert tty.ended() == 0
