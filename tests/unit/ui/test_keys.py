"""Keys on a real terminal: which are for us, which for the guest, and how the terminal is left."""

import json
import os
import signal
import subprocess
import sys
import termios
import time
from functools import partial
from importlib.resources import files

import pytest

from fakes.cli import run_cli

DEMO = files("lockstep.ui") / "data" / "demo.elf"
MACHINE = ("--bios", "none", "--kernel", DEMO, "--memory", "16M", "--smp", "2")
PATIENCE_S = 20

IN_FRONT = """
import os, sys
os.open(os.ttyname(0), os.O_RDWR)  # the first terminal that a session opens becomes its own
os.execv(sys.executable, [sys.executable, "-m", "lockstep", *sys.argv[1:]])
"""


class Terminal:
    """A pseudo-terminal, and the command in its foreground."""

    def __init__(self, *arguments: object) -> None:
        self.master, self.slave = os.openpty()
        self.before = termios.tcgetattr(self.slave)
        self._seen = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", IN_FRONT, *map(str, arguments)],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
        )

    def expect(self, text: bytes) -> None:
        """Read until it appears."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self._seen and time.monotonic() < deadline:
            self._seen += os.read(self.master, 4096)
        assert text in self._seen
        self._seen = self._seen[self._seen.index(text) + len(text) :]

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def ended(self) -> int:
        """The exit status; the terminal is as it was before."""
        status = self.process.wait(PATIENCE_S)
        assert termios.tcgetattr(self.slave) == self.before
        return status

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal():
    opened = []

    def opener(*arguments):
        opened.append(Terminal(*arguments))
        return opened[-1]

    yield opener
    for each in opened:
        each.close()


@pytest.fixture
def cli(capfd, monkeypatch):
    return partial(run_cli, capfd, monkeypatch)


def test_the_monitor_and_the_way_out(terminal):
    """Ctrl-A c opens the monitor and leaves it, Ctrl-A x quits."""
    tty = terminal("run", *MACHINE)
    tty.expect(b"Ctrl-A x quits")
    tty.type(b"\x01c")
    tty.expect(b"(lockstep) ")
    tty.type(b"info\r")
    tty.expect(b"instructions")
    tty.type(b"nonsense\r")
    tty.expect(b"there is no command")
    tty.type(b"\x01c\x01x")
    assert tty.ended() == 0


def test_ctrl_c_ends_the_session_and_after_ctrl_a_it_is_the_guests(terminal, cli, tmp_path):
    """Typed once for the guest and, by someone impatient, twice for us: 130, and all is kept."""
    tty = terminal("record", "-o", tmp_path / "r", *MACHINE)
    tty.expect(b"wall clock")
    tty.type(b"a\x01\x03b\x03\x03")
    assert tty.ended() == 130
    assert json.loads(cli("info", tmp_path / "r", "--json").out)["complete"]
    inputs = cli("events", tmp_path / "r", "--json", "--kind", "serial").out.splitlines()
    assert bytes.fromhex("".join(json.loads(line)["data"] for line in inputs)) == b"a\x03b"
    assert cli("replay", tmp_path / "r").status == 0


@pytest.mark.parametrize("keys", [b"\x1a", b"\x1c"], ids=["ctrl-z", "ctrl-backslash"])
def test_no_other_key_makes_a_signal(terminal, cli, tmp_path, keys):
    """They go to the guest."""
    tty = terminal("record", "-o", tmp_path / "r", *MACHINE)
    tty.expect(b"wall clock")
    tty.type(keys + b"\x01x")
    assert tty.ended() == 0
    (line,) = cli("events", tmp_path / "r", "--json", "--kind", "serial").out.splitlines()
    assert bytes.fromhex(json.loads(line)["data"]) == keys


def test_a_signal_that_is_sent_ends_the_session_as_ctrl_c_does(terminal):
    tty = terminal("run", *MACHINE)
    tty.expect(b"wall clock")
    tty.process.send_signal(signal.SIGINT)
    assert tty.ended() == 130


def test_a_replay_on_a_terminal_is_ended_by_ctrl_c(terminal, cli, tmp_path):
    """It reads no keys, so there it stays a signal."""
    cli("record", "-o", tmp_path / "r", *MACHINE, "--serial", "null", "--idle", "skip")
    tty = terminal("replay", "--realtime", tmp_path / "r")
    tty.expect(b"wall clock")
    tty.type(b"\x03")
    assert tty.ended() == 130
