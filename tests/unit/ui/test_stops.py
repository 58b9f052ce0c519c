"""Ctrl-C, kill and a line that hangs up, at any moment: the status, and no traceback."""

import os
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import pytest

from fakes.cli import run_cli
from lockstep import stops, threads
from lockstep.det.instant import Icount
from lockstep.replay.log import LogReader, LogWriter
from lockstep.session import api, build

DEMO = files("lockstep.ui") / "data" / "demo.elf"
SPIN = (0x0000006F).to_bytes(4, "little")  # j .

# From the first line of ours on: what comes before is Python's own start.
ARMED = """
import sys
from lockstep import stops
stops.arm()
sys.stdout.write(".")
sys.stdout.flush()
from lockstep.__main__ import main
main()
"""


@pytest.fixture
def started(tmp_path):
    """Starts the command; it has begun when that returns."""
    processes = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", ARMED, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        processes.append(process)
        assert process.stdout.read(1) == b"."
        return process

    yield start
    for each in processes:
        each.kill()
        each.communicate()


@pytest.fixture
def spinning(tmp_path):
    """A machine that is busy for ever."""
    (tmp_path / "spin.bin").write_bytes(SPIN)
    kernel = tmp_path / "spin.bin"
    return ("--bios", "none", "--kernel", kernel, "--memory", "16M", "--serial", "null")


@pytest.fixture
def long(tmp_path, spinning):
    """A recording that takes hours to replay. Nobody has made it: it was lengthened."""
    api.record(
        tmp_path / "r", kernel=spinning[3], bios="none", memory=16 << 20, digest_every=0, until=10
    )
    log = LogReader(tmp_path / "r")
    writer = LogWriter(tmp_path / "long.lockstep", log.manifest)
    for at, event in log.events():
        if at == 0:
            writer.append(at, event)
    writer.append(Icount(10**16), event)
    writer.finish(Icount(10**16), 1.0, "poweroff")
    log.close()
    return tmp_path / "long.lockstep"


@pytest.mark.parametrize(
    "delay_ms", [0, 2, 5, 10, 20, 40, 60, 80, 100, 130, 160, 200, 250, 300, 400]
)
def test_ctrl_c_at_any_moment(started, spinning, tmp_path, delay_ms):
    """While it is imported, begins and runs: 130, and whatever is there of a recording is whole."""
    process = started("record", "-o", tmp_path / "r", *spinning)
    time.sleep(delay_ms / 1000)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert b"Traceback" not in said
    assert b"ignored" not in said
    if (tmp_path / "r").exists():
        assert api.info(tmp_path / "r")["complete"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("verb", [("replay",), ("verify",), ("verify", "--locate"), ("profile",)])
def test_every_verb_ends_with_the_status_of_the_signal(started, long, verb, number):
    """Wherever it is."""
    process = started(*verb, long)
    time.sleep(0.6)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 128 + number, said
    assert b"Traceback" not in said


def test_again_and_again(started, spinning, tmp_path):
    """Somebody impatient: still no traceback. From the third on it is a kill, as a shell shows."""
    process = started("record", "-o", tmp_path / "r", *spinning)
    time.sleep(0.3)
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        time.sleep(0.002)
    _, said = process.communicate(timeout=20)
    assert process.returncode in (130, -signal.SIGINT)
    assert b"Traceback" not in said


def test_what_is_ignored_stays_ignored(tmp_path):
    """As under nohup."""
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)" + ARMED.replace(
        "stops.arm()", "stops.arm(); signal.raise_signal(signal.SIGHUP)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--version"], capture_output=True, check=True
    )
    assert done.stdout.startswith(b".lockstep")


class _Dies:
    """Gets the signal where nothing can be raised."""

    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        for _ in range(1000):
            pass


def test_a_signal_in_the_middle_of_what_cannot_raise_comes_again(capfd, monkeypatch, tmp_path):
    """Python would print it, and forget it."""

    def lose_it(path):
        _Dies()
        time.sleep(10)

    before = {number: signal.getsignal(number) for number in stops.STOPS}
    monkeypatch.setattr("lockstep.session.archive.info", lose_it)
    stops.arm()
    try:
        done = run_cli(capfd, monkeypatch, "info", "x")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert (done.status, done.err) == (128 + signal.SIGTERM, "")


@pytest.fixture
def signalled(monkeypatch):
    """As soon as a session runs, this process gets SIGTERM."""
    real = threads.start

    def start(thread):
        real(thread)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("lockstep.session.loop.start", start)


@pytest.mark.parametrize(
    "verb",
    [("replay",), ("verify",), ("verify", "--locate"), ("profile",), ("demo",)],
    ids=" ".join,
)
def test_what_a_session_heard_is_not_lost_on_the_verb(cli, long, signalled, verb):
    """A part that was replayed is not taken for the whole, and nothing goes on after it."""
    done = cli(*verb, *(() if verb == ("demo",) else (long,)))
    assert done.status == 128 + signal.SIGTERM
    assert "match" not in done.out + done.err


def test_nor_on_a_program(long, signalled):
    """It gets the exception that Ctrl-C is in Python."""
    with pytest.raises(KeyboardInterrupt):
        api.replay(long)


@pytest.mark.parametrize("moment", ["_build", "make_manifest", "Recorder", "Session"])
def test_a_signal_before_the_first_instruction(cli, spinning, tmp_path, monkeypatch, moment):
    """What has begun is ended through the log: a recording of no instruction, and complete."""
    real = getattr(build, moment)

    def disturbed(*arguments, **options):
        os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(build, moment, disturbed)
        done = cli("record", "-o", tmp_path / "r", *spinning)
    assert done.status == 128 + signal.SIGTERM
    facts = api.info(tmp_path / "r")
    assert (facts["complete"], facts["ended_by"]) == (True, "terminate")
    assert api.replay(tmp_path / "r").outcome.reason == "terminate"


@pytest.mark.parametrize("command", ["module", "script"])
@pytest.mark.parametrize("delay_ms", [0, 10, 20, 30, 45, 60, 80, 120, 200, 400])
def test_ctrl_c_from_the_first_moment(spinning, command, delay_ms):
    """As a user starts it: 130, or Python's own end if not a line of ours had run by then."""
    script = Path(sys.executable).with_name("lockstep")
    started = [sys.executable, "-m", "lockstep"] if command == "module" else [str(script)]
    process = subprocess.Popen(
        [*started, "run", *map(str, spinning)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(delay_ms / 1000)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode in (130, 1, -signal.SIGINT)
    assert "ui/cli" not in said
    if process.returncode != 130:
        assert not said or "KeyboardInterrupt" in said.splitlines()[-1]
