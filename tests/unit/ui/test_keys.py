"""Keys on a real terminal: which are for us, which for the guest, and how the terminal is left."""

import json
import signal
from importlib.resources import files

import pytest

DEMO = files("lockstep.ui") / "data" / "demo.elf"
MACHINE = ("--bios", "none", "--kernel", DEMO, "--memory", "16M", "--smp", "2")


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
