"""Keys on a real terminal: which are for us, which for the guest, and how the terminal is left."""

import json
import signal
from importlib.resources import files

import pytest

from fakes.speaker import speaker

DEMO = files("lockstep.ui") / "data" / "demo.elf"
MACHINE = ("--bios", "none", "--kernel", DEMO, "--memory", "16M", "--smp", "2")


def test_the_monitor_and_the_way_out(terminal):
    """Ctrl-A c opens the monitor and leaves it, Ctrl-A x quits."""
    tty = terminal("run", *MACHINE)
    tty.expect(b"Ctrl-A x ends the session")
    tty.type(b"\x01c")
    tty.expect(b"(lockstep) ")
    tty.type(b"info\r")
    tty.expect(b"instructions")
    tty.type(b"nonsense\r")
    tty.expect(b"there is no command")
    tty.type(b"\x03i\t\r")
    tty.expect(b"^C\r\n(lockstep) info ")
    tty.expect(b"instructions")
    tty.type(b"\x01c\x01x")
    assert tty.ended() == 0


def test_ctrl_c_is_the_guests_and_ctrl_a_x_ends_the_session(terminal, cli, tmp_path):
    """Said once, at the start; and all is kept."""
    tty = terminal("record", "-o", tmp_path / "r", *MACHINE)
    tty.expect(b"Ctrl-A x ends the session")
    tty.expect(b"wall clock")
    tty.type(b"a\x03b\x01x")
    assert tty.ended() == 0
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


def test_an_unknown_key_says_what_there_is(terminal):
    """Whoever has forgotten them tries one."""
    tty = terminal("run", *MACHINE)
    tty.expect(b"wall clock")
    tty.type(b"\x01z")
    tty.expect(b"there is no command Ctrl-A z")
    tty.expect(b"Ctrl-A b       send a break")
    tty.type(b"\x01x")
    assert tty.ended() == 0


def test_a_break_is_recorded(terminal, cli, tmp_path):
    """As an event of its own, and it replays."""
    tty = terminal("record", "-o", tmp_path / "r", *MACHINE)
    tty.expect(b"wall clock")
    tty.type(b"\x01b\x01x")
    assert tty.ended() == 0
    (line,) = cli("events", tmp_path / "r", "--json", "--kind", "break").out.splitlines()
    assert json.loads(line)["port"] == "serial0"
    assert cli("replay", tmp_path / "r").status == 0


def test_lines_of_the_console_can_have_time_stamps(terminal, tmp_path):
    """The virtual time, which a recording can be asked about; switched on and off by Ctrl-A t."""
    kernel = speaker(tmp_path / "kernel", b"key, please\n", keys=3)
    tty = terminal("run", "--bios", "none", "--kernel", kernel, "--memory", "32M")
    tty.expect(b"key, please\r\n")
    tty.type(b"\x01t")
    tty.expect(b"time stamps on")
    tty.type(b"a")
    tty.expect(b"[    ")
    tty.expect(b"] key, please\r\n")
    tty.type(b"\x01t")
    tty.expect(b"time stamps off")
    tty.type(b"b")
    tty.expect(b"\r\nkey, please\r\n")
    tty.type(b"\x01x")
    assert tty.ended() == 0


def test_a_message_begins_on_a_line_of_its_own(terminal, tmp_path):
    """Though the guest has not ended its last line."""
    kernel = speaker(tmp_path / "kernel", b"login: ")
    tty = terminal("run", "--bios", "none", "--kernel", kernel, "--memory", "32M")
    tty.expect(b"login: \r\nlockstep: the machine powered off")
    assert tty.ended() == 0


def test_answers_of_the_terminal_to_a_replay_do_not_reach_the_shell(terminal, cli, tmp_path):
    """The guest asked the terminal of the recording where its cursor is; so does the replay."""
    kernel = speaker(tmp_path / "kernel", b"\x1b[6n")
    cli("record", "-o", tmp_path / "r", "--bios", "none", "--kernel", kernel, "--memory", "32M")
    tty = terminal("replay", tmp_path / "r")
    tty.expect(b"\x1b[6n")
    tty.type(b"\x1b[24;80R")
    assert tty.ended() == 0
    assert b"24;80R" not in tty.rest()
    assert not tty.unread()


def test_a_replay_on_a_terminal_is_ended_by_ctrl_c(terminal, cli, tmp_path):
    """It reads no keys, so there it stays a signal."""
    cli("record", "-o", tmp_path / "r", *MACHINE, "--serial", "null", "--idle", "skip")
    tty = terminal("replay", "--realtime", tmp_path / "r")
    tty.expect(b"wall clock")
    tty.type(b"\x03")
    assert tty.ended() == 130
