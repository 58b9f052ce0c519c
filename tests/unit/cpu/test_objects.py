"""What is kept of the interpreter: whole, of few versions, and nothing half written."""

import os
from pathlib import Path

import pytest

from lockstep.cpu.native import objects
from lockstep.cpu.native.objects import KEPT, keep, kept


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    keep(tmp_path / "native" / "one.o", b"code")
    assert kept(tmp_path / "native" / "one.o") == b"code"


def test_a_torn_object_is_none(tmp_path: Path) -> None:
    keep(tmp_path / "one.o", b"code")
    os.truncate(tmp_path / "one.o", 34)
    assert kept(tmp_path / "one.o") is None


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: str, target: Path) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(objects.os, "replace", full)
    keep(tmp_path / "one.o", b"code")
    assert list(tmp_path.iterdir()) == []


def test_old_versions_go_and_so_does_what_was_never_finished(tmp_path: Path) -> None:
    """A killed writer leaves its file; the next versions push it out."""
    (tmp_path / "tmpabc").write_bytes(b"half of it")
    os.utime(tmp_path / "tmpabc", (0, 0))
    for number in range(KEPT + 1):
        keep(tmp_path / f"{number}.o", b"code")
        os.utime(tmp_path / f"{number}.o", (number + 1, number + 1))
    keep(tmp_path / "last.o", b"code")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.o", "3.o", "4.o", "last.o"]
