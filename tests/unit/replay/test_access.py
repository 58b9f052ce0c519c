"""Getting at a recording: one that is not all there is never taken for a whole one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.det.instant import START, Icount
from lockstep.errors import BadRecording, UsageError
from lockstep.replay.format import Manifest, Warp
from lockstep.replay.log import LogReader, LogWriter

PAGE = 1024


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """The shortest there is: what is in its last page does not fill it."""
    path = tmp_path / "short.lockstep"
    log = LogWriter(path, Manifest({}, 0))
    log.append(START, Warp(1))
    log.output("serial0").emit(b"the end\n")
    log.finish(Icount(10), 1.0, "poweroff")
    return path


def test_any_number_of_missing_bytes_is_noticed(recording: Path, tmp_path: Path) -> None:
    """SQLite reads what is missing of the last page as zeros, and those as no row: the end of the
    recording would be gone, and what is left would replay."""
    whole = recording.read_bytes()
    cut = tmp_path / "cut"
    for missing in range(1, min(3 * PAGE, len(whole))):
        cut.write_bytes(whole[:-missing])
        with pytest.raises(BadRecording) as refused:
            LogReader(cut)
        if missing < len(whole) - PAGE:
            assert f"{len(whole) - missing:,} are left" in refused.value.message
            assert "again" in refused.value.remedy


def test_a_whole_recording_is_complete(recording: Path) -> None:
    """Its size is what it says."""
    reader = LogReader(recording)
    assert reader.complete
    reader.close()


def test_a_directory_is_not_a_recording(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a directory"):
        LogReader(tmp_path)
