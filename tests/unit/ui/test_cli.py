"""The verbs, on the demo guest."""

import json
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import pytest

from fakes.recordings import alter_about
from lockstep import __version__
from lockstep.session import api

BUILT = Path(__file__).parents[3] / "guests" / "build"
DEMO = files("lockstep.ui") / "data" / "demo.elf"
MACHINE = ("--bios", "none", "--kernel", DEMO, "--memory", "16M", "--smp", "2")
FAST = (*MACHINE, "--serial", "stdio", "--idle", "skip", "--seed", "1")


def test_help_and_version(cli):
    """What a stranger tries first."""
    assert cli("--version").out == f"lockstep {__version__}\n"
    done = cli("--help")
    assert done.status == 0
    for verb in (
        *("run", "record", "replay", "info", "events", "verify", "profile"),
        *("demo", "guests", "cache"),
    ):
        assert verb in done.out


def test_the_command_line_is_there_at_once():
    """Nothing heavy is imported before a verb needs it."""
    code = "import sys, lockstep.ui.cli.app; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {"llvmlite", "elftools", "sqlite3", "zstandard", "rich.progress", "lockstep.cpu"}
    assert heavy.isdisjoint(modules)


def test_only_the_guest_writes_to_standard_output(cli, tmp_path):
    """The console comes out, whole; how it ended goes to standard error."""
    done = cli("run", *FAST)
    assert done.status == 0
    assert "lucky numbers" in done.out
    assert "lockstep" not in done.out
    assert "powered off" in done.err


def test_record_then_replay_then_look(cli, tmp_path):
    """The same console, and what the recording holds."""
    path = tmp_path / "r"
    made = cli("record", "-o", path, *FAST)
    again = cli("replay", path)
    assert (again.status, again.out) == (0, made.out)
    facts = json.loads(cli("info", path, "--json").out)
    assert facts["complete"] is True
    assert facts["machine"]["smp"] == 2
    assert facts["images"][0]["name"] == "kernel"
    for key in ("format", "instructions", "events", "log_bytes", "duration_s", "final_digest"):
        assert facts[key]
    assert facts["events"]["wall-clock"]["count"] > 0
    assert "instructions" in cli("info", path).out
    listed = [json.loads(line) for line in cli("events", path, "--json").out.splitlines()]
    assert sum(each["count"] for each in facts["events"].values()) == len(listed)
    clocks = cli("events", path, "--json", "--kind", "wall-clock", "--from", 1, "--to", 10**12)
    assert {json.loads(line)["kind"] for line in clocks.out.splitlines()} == {"wall-clock"}
    verified = cli("verify", path)
    assert verified.status == 0
    assert "match" in verified.out


def test_a_replay_stops_where_it_is_asked_to(cli, tmp_path):
    """And says so."""
    cli("record", "-o", tmp_path / "r", *FAST)
    done = cli("replay", tmp_path / "r", "--until", 1000)
    assert done.status == 0
    assert "1,000 instructions" in done.err


def test_a_replay_in_real_time_takes_its_time(cli, tmp_path):
    """As much as the guest's own clock says, which without waiting would be over at once."""
    cli("record", "-o", tmp_path / "r", *FAST)
    for options, least, most in (((), 0, 1.0), (("--realtime",), 1.2, 10)):
        started = time.monotonic()
        assert cli("replay", tmp_path / "r", *options).status == 0
        assert least <= time.monotonic() - started <= most


def test_a_machine_that_does_something_else_is_a_divergence(cli, tmp_path):
    """Status 3, and what was expected, what came and where."""
    cli("record", "-o", tmp_path / "r", *FAST)
    alter_about(tmp_path / "r", "manifest", lambda manifest: manifest["machine"].update(smp=3))
    done = cli("replay", tmp_path / "r")
    assert done.status == 3
    for words in ("diverged at instruction 0", "the log says", "the machine", "hart 2"):
        assert words in done.err
    assert "Traceback" not in done.err


def lockstep(*arguments, **options):
    """The command, in a process of its own."""
    return subprocess.Popen([sys.executable, "-m", "lockstep", *map(str, arguments)], **options)


def wait_for(path, text, patience=20):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if path.exists() and text in path.read_bytes():
            return
        time.sleep(0.05)
    raise AssertionError(f"{text!r} did not appear")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_recording_is_complete(tmp_path, cli, number):
    """Ctrl-C, kill, or a line that hung up: everything up to there replays."""
    made = lockstep("record", "-o", tmp_path / "r", *MACHINE, "--serial", f"file:{tmp_path}/out")
    wait_for(tmp_path / "out", b"wall clock")
    made.send_signal(number)
    assert made.wait(20) == 128 + number
    assert json.loads(cli("info", tmp_path / "r", "--json").out)["complete"]
    done = cli("replay", tmp_path / "r")
    assert done.status == 0
    assert done.out.encode() == (tmp_path / "out").read_bytes()


def test_a_killed_recording_replays_up_to_there(tmp_path, cli):
    """kill -9: incomplete, and good."""
    made = lockstep("record", "-o", tmp_path / "r", *MACHINE, "--serial", f"file:{tmp_path}/out")
    wait_for(tmp_path / "out", b":")
    time.sleep(1.0)
    made.kill()
    made.wait(20)
    facts = json.loads(cli("info", tmp_path / "r", "--json").out)
    assert not facts["complete"]
    done = cli("replay", tmp_path / "r")
    assert done.status == 0, done.err
    assert f"good up to instruction {facts['instructions']:,}" in done.err
    assert (tmp_path / "out").read_bytes().startswith(done.out.encode())
    assert "cut off" in cli("verify", tmp_path / "r").out


def test_a_guest_that_reports_failure(cli, tmp_path):
    """A few instructions: write FAIL and a code to the test finisher."""
    words = (
        0x001002B7,  # lui t0, 0x100
        0x00073337,  # lui t1, 0x73
        0x33330313,  # addi t1, t1, 0x333
        0x0062A023,  # sw t1, 0(t0)
    )
    (tmp_path / "fail.bin").write_bytes(b"".join(w.to_bytes(4, "little") for w in words))
    arguments = ("--bios", "none", "--kernel", tmp_path / "fail.bin", "--serial", "null")
    done = cli("record", "-o", tmp_path / "r", *arguments)
    assert done.status == 1
    assert "code 7" in done.err
    assert cli("replay", tmp_path / "r").status == 0


def test_the_demo(cli):
    """It matches, and says so."""
    done = cli("demo")
    assert done.status == 0
    assert "replay matched" in done.out.lower()


def test_a_verification_tells_how_far_it_is_and_how_long_it_will_take(terminal, tmp_path):
    """At a terminal, of a replay that takes longer than a moment."""
    api.record(tmp_path / "r", kernel=str(BUILT / "memory.elf"), bios="none", memory=64 << 20)
    tty = terminal("verify", tmp_path / "r")
    for shown in (b"replaying", b" %", b"0:00:0", b"all"):
        tty.expect(shown)
    assert tty.ended() == 0
