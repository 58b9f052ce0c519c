"""What a process that was killed leaves beside a recording: the next that writes there removes it,
if nobody lives in it and nothing of anybody's is in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.det.instant import START, Icount
from lockstep.replay import care, scratch
from lockstep.replay.format import Checkpoint, Manifest
from lockstep.replay.log import LogReader, LogWriter

KILLED_PACK = """
import os, signal, sys
from pathlib import Path
from lockstep.replay import care
from lockstep.replay.file import RecordingFile
from lockstep.replay.log import LogReader
def killed(file, **_):
    os.kill(os.getpid(), signal.SIGKILL)
RecordingFile.finish = killed
care.pack(LogReader(Path(sys.argv[1])), {}, Path(sys.argv[1]))
"""


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "r"
    log = LogWriter(path, Manifest({}, 0))
    log.append(START, Checkpoint("machine-init", bytes(16), {}, {}))
    log.append(Icount(10), Checkpoint("shutdown", bytes(16), {}, {}))
    log.finish(Icount(10), 1.0, "poweroff")
    return path


def pack(path: Path) -> None:
    log = LogReader(path)
    try:
        care.pack(log, {}, path)
    finally:
        log.close()


def test_what_a_killed_pack_leaves_is_removed_by_the_next(recording: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED_PACK, recording], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = recording.parent.glob("r.*.part")
    assert list(left.iterdir())
    LogReader(recording).close()
    assert left.exists()  # who reads touches nothing
    pack(recording)
    assert list(recording.parent.iterdir()) == [recording]


def test_a_new_recording_removes_it_too(recording: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED_PACK, recording], check=False)
    log = LogWriter(recording, Manifest({}, 0))
    log.flush(Icount(1))
    log.finish(Icount(2), 1.0, "quit")
    assert list(recording.parent.iterdir()) == [recording]


def test_where_somebody_lives_or_keeps_something_nothing_is_removed(recording: Path) -> None:
    living = scratch.make(".part", "r.", recording.parent)
    kept = recording.with_name("r.aaaaaaaa.part")
    kept.mkdir()
    (kept / "thesis").write_text("years of work")
    link = recording.with_name("r.bbbbbbbb.part")
    link.symlink_to(kept.name)
    pack(recording)
    assert living.exists()
    assert (kept / "thesis").exists()
    assert os.path.islink(link)
    scratch.remove(living)
