"""The file: what it keeps, what it refuses, and what is left of it after the worst."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.recordings import KERNEL, KERNEL_HASH, KILLED, MANIFEST, tamper
from fakes.toys import ScriptedWorld, ToyMachine
from lockstep.det.instant import Icount
from lockstep.det.locks import Locks
from lockstep.det.world import Arrival
from lockstep.errors import BadRecording, HostFailure, LockstepError, UsageError
from lockstep.replay.format import Manifest, Warp
from lockstep.replay.log import LogReader, LogWriter
from lockstep.replay.recorder import Recorder
from lockstep.replay.replayer import Replayer
from lockstep.replay.summary import summarize


def read_all(path: Path) -> int:
    """Read everything there is, as `verify` would."""
    reader = LogReader(path)
    try:
        count = sum(1 for _ in reader.events())
        for port in reader.ports():
            b"".join(reader.transcript(port))
        for image in reader.manifest.images:
            reader.image(image.sha256)
        summarize(reader).as_dict()
        return count
    finally:
        reader.close()


def test_a_recording_keeps_manifest_events_output_and_images(recording: Path) -> None:
    reader = LogReader(recording)
    assert reader.complete
    assert reader.manifest == MANIFEST
    assert reader.end() == 500
    assert reader.ending is not None
    assert reader.ending.reason == "guest shutdown"
    assert reader.ports() == ["serial0"]
    assert b"".join(reader.transcript("serial0")) == b"at 0\nat 150\nat 300\nat 450\nthe end\n"
    assert reader.image(KERNEL_HASH) == KERNEL
    assert reader.image("cd" * 32) is None
    kinds = [each.event.kind for each in reader.events(Icount(100), Icount(150))]
    assert kinds == ["checkpoint", "serial", "serial", "wall-clock"]


def test_a_finished_recording_is_one_plain_file_that_may_be_read_only(recording: Path) -> None:
    assert [each.name for each in recording.parent.iterdir()] == [recording.name]
    recording.chmod(0o400)
    recording.parent.chmod(0o500)
    assert read_all(recording)
    recording.parent.chmod(0o700)


def test_finishing_merges_the_small_commits_of_a_recording(tmp_path: Path) -> None:
    """A long quiet recording is not mostly overhead; and nothing is lost."""
    sizes = {}
    for finishing in (False, True):
        path = tmp_path / f"{finishing}.lockstep"
        log = LogWriter(path, MANIFEST, {KERNEL_HASH: KERNEL})
        for at in range(1, 300):
            log.append(Icount(at), Warp(at))
            log.output("serial0").emit(b"line %d\n" % at)
            log.flush(Icount(at))
        if finishing:
            log.finish(Icount(300), 1.0, "quit")
            sizes["file"] = path.stat().st_size
        else:
            log.close()
        reader = LogReader(path)
        assert [each.event for each in reader.events()] == [Warp(at) for at in range(1, 300)]
        assert b"".join(reader.transcript("serial0")).count(b"\n") == 299
        assert reader.image(KERNEL_HASH) == KERNEL
        sizes[finishing] = summarize(reader).log_bytes
    assert sizes[True] * 5 < sizes[False]
    assert sizes["file"] < 12_000


def test_a_summary_counts_events_and_bytes(recording: Path) -> None:
    summary = summarize(LogReader(recording)).as_dict()
    assert summary["complete"] is True
    assert summary["instructions"] == 500
    assert summary["duration_s"] == 2.5
    assert summary["events"]["serial"]["count"] == 17
    assert summary["events"]["checkpoint"]["count"] == 7
    assert summary["output_bytes"] == {"serial0": 34}
    assert len(summary["final_digest"]) == 32
    shares = sum(each["bytes"] for each in summary["events"].values())
    assert abs(shares - summary["log_bytes"]) <= 8
    assert summary["machine"] == {"memory": "512M", "smp": 2}
    assert [each["embedded"] for each in summary["images"]] == [True, False]
    assert summary["file_bytes"] == recording.stat().st_size


def test_it_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    """As it is at that instant: what comes later does not appear in between."""
    path = tmp_path / "growing.lockstep"
    log = LogWriter(path, MANIFEST)
    log.append(Icount(5), Warp(1))
    log.flush(Icount(9))
    log.append(Icount(10), Warp(2))
    reader = LogReader(path)
    assert not reader.complete
    assert [each.event for each in reader.events()] == [Warp(1)]
    log.flush(Icount(20))
    assert reader.end() == 9
    assert len(list(LogReader(path).events())) == 2
    assert summarize(reader).complete is False
    log.close()


def test_tick_commits_when_its_time_has_come(tmp_path: Path) -> None:
    path = tmp_path / "ticking.lockstep"
    log = LogWriter(path, MANIFEST)
    log.flush(Icount(0))
    log.append(Icount(5), Warp(1))
    log.tick(Icount(6), 0)
    log.tick(Icount(6), 299_999_999)
    assert LogReader(path).end() == 0
    log.tick(Icount(7), 600_000_000)
    assert LogReader(path).end() == 7
    log.close()


def test_a_recording_killed_as_it_began_says_so(tmp_path: Path) -> None:
    path = tmp_path / "early.lockstep"
    log = LogWriter(path, MANIFEST)
    with pytest.raises(BadRecording, match="is empty: its recording was killed as it began"):
        LogReader(path)
    log.flush(Icount(0))
    assert LogReader(path).end() == 0
    log.close()


def test_progress_is_committed_even_if_nothing_happens(tmp_path: Path) -> None:
    """The last chunk reaches further; there are no more of them."""
    path = tmp_path / "quiet.lockstep"
    log = LogWriter(path, MANIFEST)
    log.append(Icount(0), Warp(1))
    for now in range(0, 100, 10):
        log.flush(Icount(now))
    reader = LogReader(path)
    assert reader.end() == 90
    assert len(list(reader.chunks())) == 1
    log.close()


def test_tick_commits_a_heavy_log_at_once(tmp_path: Path) -> None:
    log = LogWriter(tmp_path / "heavy.lockstep", MANIFEST)
    log.tick(Icount(0), 0)
    log.output("serial0").emit(bytes(2 << 20))
    log.tick(Icount(1), 1)
    assert LogReader(tmp_path / "heavy.lockstep").end() == 1
    log.close()


def test_kill_9_loses_only_what_was_not_committed(tmp_path: Path) -> None:
    path = tmp_path / "killed.lockstep"
    done = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert done.returncode == -signal.SIGKILL
    reader = LogReader(path)
    assert not reader.complete
    assert reader.end() == 49
    assert len(list(reader.events())) == 49
    assert b"".join(reader.transcript("serial0")) == b"x" * 49


def test_a_recording_can_be_finished_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "watched.lockstep"
    log = LogWriter(path, MANIFEST)
    log.append(Icount(5), Warp(1))
    log.flush(Icount(9))
    reader = LogReader(path)
    watching = reader.events()
    next(watching)
    log.finish(Icount(10), 1.0, "quit")
    assert list(watching) == []
    reader.close()
    assert LogReader(path).complete


def test_the_main_file_of_a_killed_recording_alone_is_not_enough(tmp_path: Path) -> None:
    """A copy without its -wal file: the remedy says what is missing."""
    path = tmp_path / "killed.lockstep"
    log = LogWriter(path, MANIFEST)
    (tmp_path / "copy").write_bytes(path.read_bytes())
    with pytest.raises(BadRecording, match="is empty") as caught:
        LogReader(tmp_path / "copy")
    assert "-wal" in caught.value.remedy
    log.close()


def test_a_recording_in_a_missing_directory_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write the recording"):
        LogWriter(tmp_path / "no" / "such", MANIFEST)


def test_a_missing_recording_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no recording"):
        LogReader(tmp_path / "nothing")


def test_a_file_without_a_byte_may_become_a_recording(tmp_path: Path) -> None:
    """Or was to become one, when it was killed."""
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(BadRecording, match="is only just beginning"):
        LogReader(path)


@pytest.mark.parametrize("content", [b"hello", b"SQLite format 3\0", bytes(5000)])
def test_files_of_another_sort_are_not_recordings(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(BadRecording, match="is not a lockstep recording") as caught:
        LogReader(path)
    assert caught.value.remedy
    assert caught.value.exit_status == 4


def test_another_database_is_not_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "file.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (x)")
    with pytest.raises(BadRecording, match="is not a lockstep recording"):
        LogReader(path)


def test_another_version_is_refused_with_a_remedy(recording: Path) -> None:
    tamper(recording, "PRAGMA user_version=99")
    with pytest.raises(BadRecording, match="has format 99; this lockstep reads format 1") as caught:
        LogReader(recording)
    assert "newer" in caught.value.remedy


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER evil AFTER INSERT ON chunks BEGIN SELECT 1; END",
        "CREATE VIEW evil AS SELECT 1",
        "DROP TABLE transcript",
        "ALTER TABLE chunks ADD COLUMN more",
    ],
)
def test_a_strange_schema_is_refused(recording: Path, statement: str) -> None:
    tamper(recording, statement)
    with pytest.raises(BadRecording):
        LogReader(recording)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE chunks SET upto = upto + 1", "checksum"),
        ("UPDATE chunks SET crc = 'x'", "damaged"),
        ("UPDATE chunks SET data = NULL", "damaged"),
        ("UPDATE chunks SET data = zeroblob(100)", "checksum"),
        ("DELETE FROM chunks", "events are missing"),
        ("UPDATE chunks SET first = 1", "checksum"),
        ("DELETE FROM transcript WHERE id = 1", "gap"),
        ("UPDATE transcript SET port = x'ff'", "damaged"),
        ("UPDATE transcript SET port = 'serial1'", "gap"),
        ("UPDATE manifest SET json = CAST(x'7bff1b5b33316d' AS TEXT)", "checksum"),
        ("UPDATE manifest SET json = '{'", "damaged"),
        ("UPDATE manifest SET json = '{}'", "damaged"),
        ("UPDATE ending SET json = replace(json, 'chunks\":', 'chunks\":1')", "checksum"),
        ("UPDATE manifest SET crc = 'x'", "damaged"),
        ("DELETE FROM manifest", "is empty"),
        ("UPDATE images SET size = 'x'", "damaged"),
        ("UPDATE images SET data = x'00'", "damaged"),
    ],
)
def test_tampered_rows_are_bad_recordings(recording: Path, statement: str, words: str) -> None:
    tamper(recording, statement)
    with pytest.raises(BadRecording, match=words):
        read_all(recording)


def test_truncation_anywhere_is_a_bad_recording(recording: Path, tmp_path: Path) -> None:
    whole = recording.read_bytes()
    for size in range(0, len(whole) - 1, 997):
        path = tmp_path / "cut"
        path.write_bytes(whole[:size])
        with pytest.raises(BadRecording):
            read_all(path)


def test_damage_anywhere_never_ends_in_anything_but_an_error_of_ours(
    recording: Path, tmp_path: Path
) -> None:
    """Random bytes overwritten: a clean error, or (in unused space) the same events."""
    rng = random.Random(3)
    whole = recording.read_bytes()
    count = read_all(recording)
    remedies = []
    for _ in range(150):
        damaged = bytearray(whole)
        at = rng.randrange(len(damaged))
        damaged[at : at + 8] = rng.randbytes(len(damaged[at : at + 8]))
        path = tmp_path / "damaged"
        path.write_bytes(damaged)
        try:
            assert read_all(path) == count
        except LockstepError as error:
            remedies.append(error.remedy)
    assert len(remedies) > 30
    assert all(remedies)


def test_a_copied_recording_replays(recording: Path, tmp_path: Path) -> None:
    """Nothing outside of the file is needed."""
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    shutil.move(recording, copy / "renamed")
    locks = Locks(enabled=True)
    locks.replay.acquire()
    machine = ToyMachine()
    replayer = Replayer(LogReader(copy / "renamed"), lambda: machine.now, locks.replay)
    machine.run(replayer, 500)
    replayer.outlet("serial0").emit(b"the end\n")
    assert replayer.arrivals(machine.now) == [Arrival("warp", b"")]
    assert replayer.finished()


def test_a_boot_sized_log_is_small(tmp_path: Path) -> None:
    """2,000 timer wake-ups, 50 clock reads and 120 checkpoints: well under the 60 KB allowed."""
    rng = random.Random(5)
    path = tmp_path / "boot.lockstep"
    locks = Locks(enabled=True)
    locks.replay.acquire()
    log = LogWriter(path, Manifest({}, 20_000_000))
    machine = ToyMachine()
    recorder = Recorder(ScriptedWorld(), log, lambda: machine.now, locks.replay)
    for _ in range(2000):
        machine.now = Icount(machine.now + rng.randrange(2_000_000))
        machine.number = rng.getrandbits(64)
        recorder.checkpoint("periodic", machine.now, machine.digests)
        log.append(machine.now, Warp(rng.choice([None, None, rng.getrandbits(24)])))
        log.tick(machine.now, machine.now * 3)
    log.finish(machine.now, 6.0, "guest shutdown")
    assert summarize(LogReader(path)).log_bytes < 20_000
    assert path.stat().st_size < 35_000


def test_no_memory_to_read_with_is_the_hosts_failure(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the file says is bounded before so much is asked for."""

    class Starved(sqlite3.Connection):
        def execute(self, *_: object) -> sqlite3.Cursor:
            raise MemoryError

    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **kwargs: connect(*args, factory=Starved, **kwargs)
    )
    with pytest.raises(HostFailure, match=r"cannot read .*: Cannot allocate memory"):
        LogReader(recording)
