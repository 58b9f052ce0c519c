"""Whatever ends a recording, what was committed replays; and reading one disturbs nobody."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import pytest

from fakes.engines import ENGINES, in_regions, with_whims
from fakes.noise import noise
from fakes.process import lockstep
from lockstep.cpu.engine import make_cpu
from lockstep.errors import BadRecording, HostFailure, UsageError
from lockstep.replay.log import LogReader
from lockstep.replay.recorder import _RecordingOutlet
from lockstep.session import api, archive
from stress.recording import Recording

DEMO = str(files("lockstep.ui") / "data" / "demo.elf")
MACHINE = {"kernel": DEMO, "bios": "none", "memory": 16 << 20, "smp": 2, "idle": "skip", "seed": 1}
NOISE_OPTIONS = ("--bios", "none", "--memory", "16M", "--serial", "null")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The demo, seeded: every recording of it is the same."""
    path = tmp_path_factory.mktemp("whole") / "r"
    return path, api.record(path, digest_every=20_000, **MACHINE)


def made_cpus(monkeypatch):
    """The cpus that sessions make from now on, as they come."""
    cpus = []
    monkeypatch.setattr(
        "lockstep.session.build.make_cpu", lambda *given: cpus.append(make_cpu(*given)) or cpus[-1]
    )
    return cpus


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("method", "fatal"), [("ask", 3), ("emit", 3), ("emit", 300)])
def test_an_exception_in_a_device_costs_nothing_that_came_before(
    whole, tmp_path, monkeypatch, method, fatal, engine
):
    """The recording ends at the instruction that met it; all before it replays, even on a machine
    that is well. What the broken instruction itself said or asked for is left out. What
    comes late has regions before it, in auto."""
    honest, calls = getattr(_RecordingOutlet, method), itertools.count(1)

    def broken(self, *arguments):
        answer = honest(self, *arguments)
        if next(calls) == fatal:
            raise ZeroDivisionError("a bug")
        return answer

    cpus = made_cpus(monkeypatch)
    with_whims(monkeypatch, None)
    monkeypatch.setattr(_RecordingOutlet, method, broken)
    with pytest.raises(ZeroDivisionError):
        api.record(tmp_path / "r", digest_every=20_000, engine=engine, **MACHINE)
    monkeypatch.undo()
    facts = archive.info(tmp_path / "r")
    assert facts["complete"] is False
    again = api.replay(tmp_path / "r")
    assert again.outcome.instructions == facts["instructions"] > 100
    assert whole[1].console.startswith(again.console)
    if method == "emit":
        assert len(again.console) == fatal - 1
    else:
        assert facts["events"]["wall-clock"]["count"] == fatal - 2  # the first answer is the seed's
    if engine == "auto" and facts["instructions"] > 100_000:
        assert in_regions(cpus[0]) > 5_000
    archive.check(tmp_path / "r")


class Flaky(sqlite3.Connection):
    """A connection on which the n-th commit fails, and all after it."""

    fails_at = 0
    error = sqlite3.OperationalError("?")
    commits = 0

    def execute(self, statement, *parameters):
        if statement == "COMMIT":
            Flaky.commits += 1
            if Flaky.commits >= self.fails_at:
                raise self.error
        return super().execute(statement, *parameters)


@pytest.mark.parametrize("commit", [4, 5, 7, 9])
@pytest.mark.parametrize("words", ["database or disk is full", "disk I/O error"])
def test_a_commit_that_fails_ends_the_recording(whole, tmp_path, monkeypatch, commit, words):
    """Cleanly: a message, status 6, and everything committed before replays."""
    connect = sqlite3.connect
    monkeypatch.setattr(Flaky, "fails_at", commit)
    monkeypatch.setattr(Flaky, "commits", 0)
    monkeypatch.setattr(Flaky, "error", sqlite3.OperationalError(words))
    monkeypatch.setattr("lockstep.replay.log._FLUSH_NS", 0)
    monkeypatch.setattr("lockstep.session.loop._BEAT_NS", 5_000_000)
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=Flaky, **k))
        with pytest.raises(HostFailure, match=words) as caught:
            api.record(tmp_path / "r", **MACHINE | {"idle": "real"})
    assert caught.value.exit_status == 6
    assert "--max-log" in caught.value.remedy
    facts = archive.info(tmp_path / "r")
    assert facts["complete"] is False
    again = api.replay(tmp_path / "r")
    assert again.outcome.instructions == facts["instructions"]


def test_a_database_that_may_not_grow_is_a_full_disk(tmp_path, monkeypatch):
    """SQLite's own error, from SQLite itself."""

    class Small(sqlite3.Connection):
        def execute(self, statement, *parameters):
            if statement == "BEGIN":
                super().execute("PRAGMA max_page_count=180")
            return super().execute(statement, *parameters)

    connect = sqlite3.connect
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=Small, **k))
        with pytest.raises(HostFailure, match="full"):
            api.record(tmp_path / "r", **noise(tmp_path))
    facts = archive.info(tmp_path / "r")
    assert 50_000 < facts["output_bytes"]["serial0"] < 180 << 10
    assert api.replay(tmp_path / "r").outcome.instructions == facts["instructions"]


def ends_cleanly(done, path):
    """With status 6 and a message; what is there replays."""
    assert done.returncode == 6, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    for words in ("cannot write the recording", "good up to instruction", "remedy: Free some"):
        assert words in done.stderr.decode()
    facts = archive.info(path)
    assert not facts["complete"]
    assert facts["output_bytes"]["serial0"] > 50_000
    assert archive.check(path)["instructions"] == facts["instructions"]
    assert api.replay(path).outcome.instructions == facts["instructions"]


def test_a_full_disk_ends_the_recording_cleanly(tmp_path):
    """A real one, which is still full while the recording is read."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=250k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may make a small disk")
    try:
        noise(tmp_path)
        done = lockstep(
            *("record", "-o", disk / "r", "--kernel", tmp_path / "noise.bin", *NOISE_OPTIONS)
        )
        ends_cleanly(done, disk / "r")
        saved = archive.recover(disk / "r", tmp_path / "saved")
        assert api.replay(tmp_path / "saved").outcome.instructions == saved["instructions"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_file_that_may_not_grow_ends_the_recording_cleanly(tmp_path):
    """A limit on the size of files is an I/O error to SQLite."""
    noise(tmp_path)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "lockstep", "record", "-o", tmp_path / "r"),
            *("--kernel", tmp_path / "noise.bin", *NOISE_OPTIONS),
        ],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
        capture_output=True,
        check=False,
        timeout=300,
    )
    ends_cleanly(done, tmp_path / "r")


def test_a_full_disk_at_the_start_is_said(whole, tmp_path):
    """Status 6, before anything runs, and before the old recording is gone."""
    shutil.copyfile(whole[0], tmp_path / "r")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "lockstep", "record", "--force", "-o", tmp_path / "r"),
            *("--kernel", DEMO, "--bios", "none", "--memory", "16M"),
        ],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 6, done.stderr.decode()
    assert b"cannot write the recording" in done.stderr
    assert done.stdout == b""
    assert [each.name for each in tmp_path.iterdir()] == ["r"]
    assert (tmp_path / "r").read_bytes() == whole[0].read_bytes()


@pytest.mark.parametrize("limit", [256 << 10, 512 << 10])
def test_a_bounded_recording_stops_the_machine_in_time(tmp_path, limit):
    """Neither the file nor what SQLite keeps beside it is ever bigger together; and it is whole."""
    path, peak = tmp_path / "r", 0
    noise(tmp_path)
    command = [
        *(sys.executable, "-m", "lockstep", "record", "-o", path, *NOISE_OPTIONS),
        *("--kernel", tmp_path / "noise.bin", "--max-log", f"{limit >> 10}K"),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        while process.poll() is None:
            taken = (each.stat().st_size for each in (path, tmp_path / "r-wal") if each.exists())
            with suppress(FileNotFoundError):  # -wal, in between
                peak = max(peak, sum(taken))
            time.sleep(0.002)
        said = process.stderr.read().decode()
    assert process.returncode == 0, said
    assert "reached --max-log, so the machine was stopped" in said
    assert limit // 2 < path.stat().st_size <= limit
    assert peak <= limit
    facts = archive.info(path)
    assert (facts["complete"], facts["ended_by"]) == (True, "log-full")
    assert api.replay(path).outcome.reason == "log-full"


@pytest.mark.parametrize(("size", "words"), [("1K", "too small"), ("lots", "not a size")])
def test_a_bound_that_is_no_bound_is_refused(tmp_path, size, words):
    """Before anything runs."""
    done = lockstep(
        *("record", "-o", tmp_path / "r", "--kernel", DEMO, "--bios", "none"),
        *("--max-log", size),
    )
    assert done.returncode == 2
    assert words in done.stderr.decode()


def test_a_bound_leaves_a_small_recording_as_it_would_be(whole, tmp_path):
    """Merged, one file, and of the same size."""
    api.record(tmp_path / "r", digest_every=20_000, max_log=256 << 10, **MACHINE)
    assert (tmp_path / "r").stat().st_size == whole[0].stat().st_size


def test_everybody_reads_a_recording_that_is_being_written(tmp_path):
    """As it is just then; and its writer goes on, and finishes, as if nobody had looked."""
    path = tmp_path / "r"
    with Recording(path, "--digest-every", 100_000) as recording:
        recording.wait_for_a_beat()
        ends = []
        with LogReaderHeld(path) as held:
            for verb in (("info",), ("events",), ("verify", "--quick"), ("verify",)):
                done = lockstep(*verb, path)
                assert done.returncode == 0, (verb, done.stderr.decode())
                ends.append(archive.info(path)["instructions"])
            assert recording.console().startswith(api.replay(path).console)
            with pytest.raises(UsageError, match="being recorded"):
                api.record(path, **MACHINE)
            with pytest.raises(UsageError, match="being recorded"):
                archive.pack(path)
            recording.interrupt()
            recording.wait()
            assert held.end() <= ends[0] < ends[-1]
            assert sum(1 for _ in held.events()) > 0
    assert {each.name for each in tmp_path.iterdir()} == {"r", "r.console"}
    assert archive.info(path)["complete"]
    assert api.replay(path).console == recording.console()


class LogReaderHeld:
    """A reader that is open all the while."""

    def __init__(self, path: Path) -> None:
        deadline = time.monotonic() + 20
        while True:
            try:
                self._log = LogReader(path)
                break
            except BadRecording:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def __enter__(self):
        return self._log

    def __exit__(self, *_):
        self._log.close()


def test_a_recording_that_was_removed_meanwhile_is_an_error(tmp_path):
    """Not a success whose file is nowhere."""
    path = tmp_path / "r"
    with Recording(path) as recording:
        recording.wait_for_a_beat()
        path.unlink()
        recording.interrupt()
        status, said = recording.wait()
    assert status == 6
    assert "was removed" in said


def test_a_killed_recording_is_read_from_a_directory_nobody_may_write(tmp_path):
    """As on a medium that is read-only: SQLite itself could not."""
    path = tmp_path / "there" / "r"
    path.parent.mkdir()
    with Recording(path, "--digest-every", 100_000) as recording:
        recording.wait_for_a_beat()
        while archive.info(path)["instructions"] == 0:
            time.sleep(0.05)
    path.with_name("r-shm").unlink()
    before = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    path.parent.chmod(0o500)
    try:
        assert archive.info(path)["instructions"] > 0
        assert api.replay(path).console
    finally:
        path.parent.chmod(0o700)
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == before


def test_a_recording_killed_while_it_finishes_replays(tmp_path):
    """Wherever in the course of it: complete, or cut, and never in between."""
    for delay_ms in range(0, 40, 8):
        path = tmp_path / str(delay_ms)
        with Recording(path) as recording:
            recording.wait_for_a_beat()
            recording.interrupt()
            time.sleep(delay_ms / 1000)
        facts = archive.info(path)
        assert api.replay(path).outcome.instructions == facts["instructions"]


def test_killing_the_process_is_what_it_says(tmp_path):
    """The stress campaign counts on it."""
    with Recording(tmp_path / "r") as recording:
        recording.wait_for_a_beat()
        recording.kill()
        assert recording.wait()[0] == -signal.SIGKILL
    assert os.path.exists(tmp_path / "r-wal")
