"""What a stranger may put beside a recording, or in its place: nothing of it is carried out."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.recordings import KILLED
from lockstep.det.instant import START, Icount
from lockstep.errors import BadRecording, HostFailure, LockstepError, UsageError
from lockstep.replay import access, care
from lockstep.replay.format import Checkpoint, Manifest, Warp
from lockstep.replay.log import LogReader, LogWriter
from stress.crafted.sides import super_journal

Use = Callable[[Path], object]


def opened(path: Path) -> object:
    log = LogReader(path)
    try:
        return care.check(log)
    finally:
        log.close()


def recovered(path: Path) -> object:
    return care.recover(path, path.with_name("saved"))


def packed(path: Path) -> object:
    log = LogReader(path)
    try:
        care.pack(log, {}, path)
    finally:
        log.close()
    return None


def packed_over(path: Path) -> object:
    sound = make(path.with_name("sound"))
    log = LogReader(sound)
    try:
        care.pack(log, {}, path)
    finally:
        log.close()
    return None


def recorded_over(path: Path) -> object:
    log = LogWriter(path, Manifest({}, 0))
    log.flush(Icount(1))
    log.finish(Icount(2), 1.0, "quit")
    return None


USES = [opened, recovered, packed, packed_over, recorded_over]


def make(path: Path) -> Path:
    log = LogWriter(path, Manifest({}, 0))
    log.append(START, Checkpoint("machine-init", bytes(16), {}, {}))
    log.append(START, Warp(1))
    log.output("serial0").emit(b"the end\n")
    log.append(Icount(10), Checkpoint("shutdown", bytes(16), {}, {"serial0": 8}))
    log.finish(Icount(10), 1.0, "poweroff")
    return path


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return make(tmp_path / "in" / "r")


@pytest.mark.parametrize("use", USES)
def test_a_strangers_journal_is_never_played_back(
    recording: Path, tmp_path: Path, use: Use
) -> None:
    """SQLite would change the database by it, and then delete the file that it names."""
    victim = tmp_path / "victim"
    victim.write_text("years of work")
    super_journal(recording, victim)
    before = recording.read_bytes()
    use(recording)
    assert victim.read_text() == "years of work"
    if use in (opened, recovered):
        assert recording.read_bytes() == before
        assert Path(f"{recording}-journal").exists()


def test_a_recorder_never_needs_a_journal(tmp_path: Path) -> None:
    """So one that lies there is nobody's. Its opened files are looked at by strace in the test of
    all verbs; here, the one moment at which SQLite writes one by default."""
    path = tmp_path / "r"
    log = LogWriter(path, Manifest({}, 0))
    log.flush(Icount(1))
    Path(f"{path}-journal").mkdir()  # one that it cannot write
    log.finish(Icount(2), 1.0, "quit")
    assert not Path(f"{path}-wal").exists()
    Path(f"{path}-journal").rmdir()
    assert LogReader(path).complete


def link(side: Path) -> None:
    side.symlink_to("/dev/zero")


def link_to_a_file(side: Path) -> None:
    side.with_name("thesis").write_text("years of work")
    side.symlink_to("thesis")


def fifo(side: Path) -> None:
    os.mkfifo(side)


def directory(side: Path) -> None:
    side.mkdir()


def a_socket(side: Path) -> None:
    here = os.getcwd()
    os.chdir(side.parent)  # the name of one must be short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(side.name)
    finally:
        os.chdir(here)


def sparse(side: Path) -> None:
    with side.open("wb") as file:
        file.truncate(1 << 40)


def another_magic(side: Path) -> None:
    side.write_bytes(b"GIF89a" + bytes(100))


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
@pytest.mark.parametrize(
    "kind", [link, link_to_a_file, fifo, directory, a_socket, sparse, another_magic]
)
@pytest.mark.parametrize("state", ["finished", "killed"])
def test_a_side_file_is_a_plain_one_of_its_kind(
    tmp_path: Path, a_killed_one: Path, suffix: str, kind: Callable[[Path], None], state: str
) -> None:
    path = tmp_path / "r"
    if state == "killed":
        shutil.copy(a_killed_one, path)
        shutil.copy(f"{a_killed_one}-wal", f"{path}-wal")
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    else:
        make(path)
    kind(Path(f"{path}{suffix}"))
    began = time.monotonic()
    for use in (opened, recovered):
        with pytest.raises(BadRecording, match=f"r{suffix} is none of the recording's files"):
            use(path)
    for use in (packed_over, recorded_over):
        with pytest.raises(UsageError, match="is in the way"):
            use(path)
    assert time.monotonic() - began < 10
    assert Path(f"{path}{suffix}").exists()


@pytest.fixture(scope="module")
def a_killed_one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("killed") / "r"
    killed(path)
    return path


def killed(path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, path], check=False)


def test_of_a_huge_log_only_what_belongs_to_it_is_copied(tmp_path: Path) -> None:
    """Its header is right, and it is full of holes."""
    path = tmp_path / "r"
    killed(path)
    os.truncate(f"{path}-wal", 3 << 30)
    os.truncate(path, 1 << 38)
    began = time.monotonic()
    log = LogReader(path)
    assert log.end() == 49
    log.close()
    assert time.monotonic() - began < 10


def test_what_never_was_written_for_the_power_went_is_none(tmp_path: Path) -> None:
    """A file system may know the length of a file, and not its content: zeros."""
    path = tmp_path / "r"
    killed(path)
    wal = Path(f"{path}-wal")
    wal.write_bytes(bytes(wal.stat().st_size))
    with pytest.raises(BadRecording, match="is empty"):
        LogReader(path)


def test_the_side_files_of_an_older_recording_are_not_read(tmp_path: Path) -> None:
    """One that is finished has none; a `pack` that is killed leaves them beside its result."""
    path, other = make(tmp_path / "r"), tmp_path / "other"
    killed(other)
    for suffix in ("-wal", "-shm"):
        shutil.copy(f"{other}{suffix}", f"{path}{suffix}")
    for rescue in (False, True):
        log = LogReader(path, rescue=rescue)
        assert log.end() == 10
        log.close()


@pytest.mark.parametrize("kind", [fifo, a_socket])
@pytest.mark.parametrize("use", USES)
def test_what_is_no_file_is_no_recording(
    tmp_path: Path, kind: Callable[[Path], None], use: Use
) -> None:
    """And nobody waits for what it may say."""
    kind(tmp_path / "r")
    with pytest.raises(LockstepError) as caught:
        use(tmp_path / "r")
    expected = UsageError if use in (packed_over, recorded_over) else BadRecording
    assert isinstance(caught.value, expected)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/tty"])
def test_a_device_is_no_recording(tmp_path: Path, device: str) -> None:
    (tmp_path / "r").symlink_to(device)
    for path in (Path(device), tmp_path / "r"):
        with pytest.raises(BadRecording, match="a device"):
            LogReader(path)


def test_a_killed_recording_needs_a_temporary_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r"
    killed(path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    for use in (opened, recovered):
        with pytest.raises(HostFailure) as caught:
            use(path)
        assert "TMPDIR" in caught.value.remedy


def test_a_copy_that_cannot_be_removed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r"
    killed(path)
    log = LogReader(path)

    def fail(directory: Path, **_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", fail)
        with pytest.raises(HostFailure, match=r"temporary copy .*lockstep-"):
            log.close()


def test_a_copy_is_of_one_instant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While its writer moves the log into the database, and begins it anew, again and again."""
    path = tmp_path / "r"
    log = LogWriter(path, Manifest({}, 0))
    copied, times = access.copy_database, list[int]()

    def meanwhile(source: Path, target: Path, *, log: bool = True) -> None:
        write(source, len(times))
        times.append(1)
        copied(source, target, log=log)

    def write(_: Path, number: int) -> None:
        if number < 3:
            at = Icount(number + 1)
            log.append(at, Warp(number))
            log.flush(at)
            log._file.settle()

    log.flush(START)
    data = "lockstep.replay.copying._copy_data"
    original = __import__("lockstep.replay.copying", fromlist=["x"])._copy_data

    def copy_data(source: int, target: int) -> None:
        original(source, target)
        write(path, len(times))
        times.append(1)

    monkeypatch.setattr(data, copy_data)
    reader = LogReader(path)
    assert [each.at for each in reader.events()] == [1, 2, 3]
    reader.close()
    log.close()


READER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN")
database.execute("SELECT * FROM manifest").fetchall()
print("reading", flush=True)
sys.stdin.read()
"""


def test_what_another_program_reads_is_not_replaced(recording: Path) -> None:
    """Without a lock of ours it is SQLite's own that shows it; and nothing is opened to see it."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", READER, recording], stdin=pipe, stdout=pipe) as it:
        assert it.stdout is not None
        it.stdout.readline()
        with pytest.raises(UsageError, match="read just now"):
            LogWriter(recording, Manifest({}, 0))
        it.communicate()
    LogWriter(recording, Manifest({}, 0)).close()
