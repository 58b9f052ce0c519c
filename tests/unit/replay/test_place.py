"""What a new recording does to an old one, to its neighbours and to the disk: nothing is lost."""

from __future__ import annotations

import errno
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fakes.recordings import KERNEL_HASH, KILLED, MANIFEST
from lockstep.det.instant import Icount
from lockstep.errors import BadRecording, HostFailure, LockstepError, UsageError
from lockstep.replay import access
from lockstep.replay.claim import Claim
from lockstep.replay.file import RecordingFile
from lockstep.replay.format import Manifest, Warp
from lockstep.replay.log import LogReader, LogWriter


class Disk:
    """What was asked to be on it, in order; it fails while it is `full`, and waits to be `free`."""

    def __init__(self) -> None:
        self.synced: list[str] = []
        self.full = False
        self.free = threading.Event()
        self.free.set()

    def sync(self, file: int) -> None:
        assert self.free.wait(10)
        self.synced.append(os.readlink(f"/proc/self/fd/{file}"))
        if self.full:
            raise OSError(errno.EIO, "Input/output error")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr("os.fdatasync", disk.sync)
    return disk


def test_every_commit_is_on_the_disk_before_the_next(tmp_path: Path, disk: Disk) -> None:
    """The host's power may go at any time. SQLite syncs only what leaves the -wal file."""
    path = tmp_path / "r"
    log = LogWriter(path, MANIFEST)
    for statement, value in (("synchronous", 1), ("journal_mode", "wal")):
        assert log._file._db.execute(f"PRAGMA {statement}").fetchone() == (value,)
    log.flush(Icount(1))
    log._file._syncer.wait()
    disk.free.clear()
    log.append(Icount(2), Warp(1))
    log.flush(Icount(2))  # beside the guest
    log.append(Icount(3), Warp(1))
    committing = threading.Thread(target=log.flush, args=[Icount(3)])
    committing.start()
    committing.join(0.2)
    assert committing.is_alive()
    assert LogReader(path).end() == 2
    disk.free.set()
    committing.join()
    assert LogReader(path).end() == 3
    log.close()
    assert disk.synced == [f"{path}-wal"] * 4  # the manifest, and three commits


def test_without_another_thread_the_guest_waits_for_the_disk(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogWriter(tmp_path / "r", MANIFEST)
    log.flush(Icount(1))
    log._file._syncer.wait()
    monkeypatch.setattr("threading.Thread.start", no_thread)
    log.append(Icount(2), Warp(1))
    before = len(disk.synced)
    log.flush(Icount(2))
    assert len(disk.synced) == before + 1
    log.close()
    assert [each.at for each in LogReader(tmp_path / "r").events()] == [2]


def no_thread(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_an_old_recording_stays_until_the_new_one_is_on_the_disk(
    recording: Path, disk: Disk
) -> None:
    before = files_of(recording.parent)
    log = LogWriter(recording, MANIFEST)
    log._file._syncer.wait()
    disk.full = True
    with pytest.raises(HostFailure):
        log.flush(Icount(0))
    log.close()
    assert files_of(recording.parent) == before


def test_ctrl_c_at_the_very_beginning_brings_the_old_recording_back(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_of(recording.parent)
    monkeypatch.setattr(RecordingFile, "_lay_out", interrupted)
    with pytest.raises(KeyboardInterrupt):
        LogWriter(recording, MANIFEST)
    assert files_of(recording.parent) == before


def interrupted(file: RecordingFile) -> None:
    raise KeyboardInterrupt


def test_of_two_that_begin_at_one_place_one_is_refused(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And takes nothing from the other."""
    lay_out, others = RecordingFile._lay_out, list[LogWriter]()

    def meanwhile(file: RecordingFile) -> None:
        monkeypatch.setattr(RecordingFile, "_lay_out", lay_out)
        with pytest.raises(UsageError, match="being recorded"):
            others.append(LogWriter(recording, MANIFEST))
        lay_out(file)

    monkeypatch.setattr(RecordingFile, "_lay_out", meanwhile)
    log = LogWriter(recording, MANIFEST)
    log.flush(Icount(1))
    log.finish(Icount(2), 1.0, "quit")
    assert others == []
    assert list(recording.parent.iterdir()) == [recording]
    assert LogReader(recording).end() == 2


def test_what_another_has_put_in_its_place_is_left_alone(recording: Path) -> None:
    """By one that never began, and by one that ends."""
    log = LogWriter(recording, MANIFEST)
    other = recording.with_name("other")
    other.write_bytes(b"somebody's")
    other.replace(recording)
    with pytest.raises(HostFailure, match="another recording has taken its name") as caught:
        log.close()
    (kept,) = recording.parent.glob("*.old")
    assert str(kept) in caught.value.remedy
    assert recording.read_bytes() == b"somebody's"
    recording.unlink()
    log = LogWriter(recording, MANIFEST)
    log.flush(Icount(1))
    other.write_bytes(b"somebody's")
    other.replace(recording)
    with pytest.raises(HostFailure, match="any more"):
        log.finish(Icount(2), 1.0, "quit")
    log.close()
    assert recording.read_bytes() == b"somebody's"


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_file_system_need_not_sync_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Some say that they cannot, which is no failure of the disk."""

    def fail(file: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.fsync", fail)
    log = LogWriter(tmp_path / "r", MANIFEST)
    if number == errno.EINVAL:
        log.flush(Icount(1))
        log.finish(Icount(2), 1.0, "quit")
        assert LogReader(tmp_path / "r").complete
    else:
        with pytest.raises(HostFailure, match="Input/output"):
            log.flush(Icount(1))
        log.close()


def test_a_name_that_is_too_long_is_a_usage_error(tmp_path: Path) -> None:
    for attempt in (LogReader, lambda path: LogWriter(path, MANIFEST)):
        with pytest.raises(UsageError):
            attempt(tmp_path / ("x" * 300))


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_only_has_the_name_of_a_side_file_is_left_alone(
    tmp_path: Path, suffix: str, kind: str
) -> None:
    """Whether there is a recording already, or none."""
    side, thesis = tmp_path / f"r{suffix}", tmp_path / "thesis"
    thesis.write_text("years of work")
    if kind == "file":
        side.write_text("years of work")
    elif kind == "directory":
        side.mkdir()
        (side / "thesis").write_text("years of work")
    else:
        side.symlink_to(thesis)
    before = files_of(tmp_path)
    with pytest.raises(UsageError, match="is in the way"):
        LogWriter(tmp_path / "r", MANIFEST)
    assert files_of(tmp_path) == before


def test_a_recording_through_a_link_is_the_recording(recording: Path) -> None:
    """Its -wal file is beside the file, and not beside the link."""
    link = recording.with_name("link")
    link.symlink_to(recording.name)
    subprocess.run([sys.executable, "-c", KILLED, link], check=False)
    assert link.is_symlink()
    for path in (recording, link):
        assert LogReader(path).end() == 49
        assert LogReader(path, rescue=True).end() == 49
    LogWriter(link, MANIFEST).finish(Icount(0), 0.0, "quit")
    assert link.is_symlink()
    assert LogReader(recording).complete


def test_a_recording_that_begins_in_between_keeps_its_place(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one stays aside, where it is told, and is not put over it."""
    before = recording.read_bytes()

    def meanwhile(path: Path, *, create: bool = False) -> Claim:
        if create:
            recording.write_bytes(b"another's")
        return Claim(path, create=create)

    monkeypatch.setattr("lockstep.replay.place.Claim", meanwhile)
    with pytest.raises(UsageError, match="another recording begins") as caught:
        LogWriter(recording, MANIFEST)
    (kept,) = recording.parent.glob("*.old/toy.lockstep")
    assert str(kept) in caught.value.remedy
    assert kept.read_bytes() == before
    assert recording.read_bytes() == b"another's"


def test_a_recording_that_is_finished_just_now_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It becomes shorter between a look at its header and one at its size."""
    path = tmp_path / "r"
    log = LogWriter(path, MANIFEST, {KERNEL_HASH: random.Random(1).randbytes(50_000)})
    for at in range(1, 60):
        log.append(Icount(at), Warp(at))
        log.output("serial0").emit(random.Random(at).randbytes(2000))
        log.flush(Icount(at))
    log._file.settle()
    read, seen = access.read_header, list[bytes]()

    def slowly(of: Path) -> bytes:
        seen.append(read(of))
        if len(seen) == 1:
            log.finish(Icount(60), 1.0, "quit")
        return seen[-1]

    monkeypatch.setattr("lockstep.replay.access.read_header", slowly)
    before = path.stat().st_size
    access._check_size(path)
    assert path.stat().st_size < before
    assert len(seen) == 2
    assert LogReader(path).complete


def test_a_new_recording_is_no_more_open_than_the_old_one(recording: Path) -> None:
    """What was typed is in it."""
    for before, after in ((0o600, 0o600), (0o400, 0o600)):
        recording.chmod(before)
        LogWriter(recording, MANIFEST).finish(Icount(0), 0.0, "quit")
        assert recording.stat().st_mode & 0o777 == after


def test_what_is_said_of_a_recording_that_never_began(recording: Path, disk: Disk) -> None:
    """Nothing of it is left to replay: what is there is the old one."""
    log = LogWriter(recording, MANIFEST)
    disk.full = True
    log._file._syncer.begin()
    with pytest.raises(HostFailure) as caught:
        log.flush(Icount(0))
    assert "any more" not in str(caught.value)
    assert "info" not in caught.value.remedy
    log.close()


ASK = """
import sys
from pathlib import Path
from lockstep.replay.place import reserved
with reserved(Path(sys.argv[1])):
    pass
"""


def test_reading_it_in_the_same_process_does_not_let_others_at_it(tmp_path: Path) -> None:
    """POSIX has the process lose SQLite's locks when the reader closes the file."""
    path = tmp_path / "r"
    log = LogWriter(path, MANIFEST)
    log.flush(Icount(1))
    LogReader(path).close()
    told = subprocess.run([sys.executable, "-c", ASK, path], capture_output=True, check=False)
    assert b"being recorded or read just now" in told.stderr
    with pytest.raises(UsageError, match="being recorded"):
        LogWriter(path, MANIFEST)
    log.append(Icount(2), Warp(1))
    log.flush(Icount(2))
    assert LogReader(path).end() == 2
    log.finish(Icount(3), 1.0, "quit")
    assert LogReader(path).complete


def test_a_disk_that_fails_ends_the_recording_at_the_next_commit(
    tmp_path: Path, disk: Disk
) -> None:
    """What was committed before replays."""
    log = LogWriter(tmp_path / "r", MANIFEST)
    log.flush(Icount(1))
    log._file._syncer.wait()
    disk.full = True
    log.append(Icount(2), Warp(1))
    log.flush(Icount(2))
    log.append(Icount(3), Warp(1))
    with pytest.raises(HostFailure, match="Input/output error") as caught:
        log.flush(Icount(3))
    assert "lockstep info" in caught.value.remedy
    log.close()
    assert LogReader(tmp_path / "r").end() == 2


@pytest.mark.parametrize("last", ["merged", "read"])
def test_the_end_is_on_the_disk(tmp_path: Path, disk: Disk, last: str) -> None:
    """Also if somebody reads it just then, so that the -wal file stays."""
    path = tmp_path / "r"
    log = LogWriter(path, MANIFEST)
    log.flush(Icount(1))
    reader = sqlite3.connect(path)
    if last == "read":
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM manifest").fetchall()
    log._file._syncer.wait()
    before = len(disk.synced)
    log.finish(Icount(2), 1.0, "quit")
    assert (tmp_path / "r-wal").exists() == (last == "read")
    # The last flush, what it is merged into, and then SQLite itself or the -wal file once more.
    assert len(disk.synced) - before == (3 if last == "read" else 2)
    reader.close()
    assert LogReader(path).complete


def test_a_new_recording_replaces_an_old_one(recording: Path) -> None:
    LogWriter(recording, Manifest({"memory": "1M"}, 0)).finish(Icount(0), 0.0, "quit")
    assert LogReader(recording).manifest.machine == {"memory": "1M"}


def files_of(directory: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()
    }


def test_an_old_recording_stays_until_the_new_one_has_begun(recording: Path) -> None:
    """And comes back, with nothing besides, if that never was."""
    before = files_of(recording.parent)
    LogWriter(recording, MANIFEST).close()
    assert files_of(recording.parent) == before
    log = LogWriter(recording, MANIFEST)
    log.append(Icount(0), Warp(1))
    log.cut(Icount(1))
    assert files_of(recording.parent) == before
    log = LogWriter(recording, MANIFEST)
    log.flush(Icount(0))
    log.close()
    assert list(recording.parent.iterdir()) == [recording]
    assert not LogReader(recording).complete


def test_a_killed_recording_comes_back_too(tmp_path: Path) -> None:
    """With what its -wal file holds."""
    path = tmp_path / "killed.lockstep"
    subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    LogWriter(path, MANIFEST).close()
    reader = LogReader(path)
    assert reader.end() == 49
    assert b"".join(reader.transcript("serial0")) == b"x" * 49
    assert not list(tmp_path.glob("*.old"))


def test_a_recording_that_never_begins_leaves_nothing(tmp_path: Path) -> None:
    LogWriter(tmp_path / "r", MANIFEST).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limit", [1 << 18, None], ids=["bound", "full disk"])
def test_an_old_recording_survives_a_new_one_without_room(
    recording: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    """For its images: more than its bound has, or than the disk."""
    before = files_of(recording.parent)
    image = {KERNEL_HASH: random.Random(1).randbytes(1 << 20)}
    if limit is None:
        monkeypatch.setattr(RecordingFile, "_lay_out", lay_out_on_a_small_disk)
    with pytest.raises(LockstepError) as caught:
        LogWriter(recording, MANIFEST, image, limit=limit)
    assert "has no room for its images" in str(caught.value) or "is full" in str(caught.value)
    assert files_of(recording.parent) == before


_lay_out = RecordingFile._lay_out


def lay_out_on_a_small_disk(file: RecordingFile) -> None:
    _lay_out(file)
    file._db.execute("PRAGMA max_page_count=100")


def test_what_a_killed_successor_leaves_behind_is_told(recording: Path) -> None:
    """It is a whole recording, and stays what it was when the next one begins."""
    before = recording.read_bytes()
    done = subprocess.run([sys.executable, "-c", KILLED_AT_ONCE, recording], check=False)
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(BadRecording, match="killed as it began") as caught:
        LogReader(recording)
    (kept,) = recording.parent.glob("*.old/toy.lockstep")
    assert str(kept) in caught.value.remedy
    for spoil in (lambda: recording.write_bytes(b""), recording.unlink):
        spoil()
        with pytest.raises(LockstepError) as told:
            LogReader(recording)
        assert str(kept) in told.value.remedy
    LogWriter(recording, MANIFEST).finish(Icount(0), 0.0, "quit")
    assert kept.read_bytes() == before
    assert LogReader(recording).complete


KILLED_AT_ONCE = """
import os, signal, sys
from pathlib import Path
from lockstep.replay.format import Manifest
from lockstep.replay.log import LogWriter
log = LogWriter(Path(sys.argv[1]), Manifest({}, 0))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_new_recording_does_not_replace_a_file_of_another_sort(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    with pytest.raises(UsageError, match="is not a recording, so it is not overwritten"):
        LogWriter(thesis, MANIFEST)
    assert thesis.read_text() == "years of work"


def test_a_recording_does_not_replace_a_device_or_a_directory(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, tmp_path):
        with pytest.raises(UsageError, match="not overwritten"):
            LogWriter(path, MANIFEST)
        assert path.exists()
