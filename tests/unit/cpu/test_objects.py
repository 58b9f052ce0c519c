"""What is kept of the interpreter: whole, of few versions, and nothing half written."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lockstep.cpu.native import objects
from lockstep.cpu.native.objects import KEPT, keep, kept
from lockstep.places import trust
from lockstep.places.seal import seal


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a secret of its own."""
    path = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("LOCKSTEP_CACHE", str(path))
    return path


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    keep(tmp_path / "native" / "one.o", b"code")
    assert kept(tmp_path / "native" / "one.o") == b"code"


def test_a_torn_object_is_none(tmp_path: Path) -> None:
    keep(tmp_path / "one.o", b"code")
    os.truncate(tmp_path / "one.o", 34)
    assert kept(tmp_path / "one.o") is None


@pytest.mark.parametrize(
    "digest",
    [
        lambda code: hashlib.sha256(code).digest(),
        lambda code: hashlib.blake2b(code, digest_size=32).digest(),
        lambda code: seal(b"not the secret", b"one.o", code),
    ],
)
def test_code_that_was_changed_with_care_is_none(
    tmp_path: Path, digest: Callable[[bytes], bytes]
) -> None:
    """Anybody can compute a digest; a seal takes the user's secret."""
    keep(tmp_path / "one.o", b"code")
    (tmp_path / "one.o").write_bytes(digest(b"evil") + b"evil")
    assert kept(tmp_path / "one.o") is None


def test_the_object_of_another_version_is_none(tmp_path: Path) -> None:
    """Sound as it is: the name says what it was made from."""
    keep(tmp_path / "one.o", b"code")
    os.rename(tmp_path / "one.o", tmp_path / "other.o")
    assert kept(tmp_path / "other.o") is None


@pytest.mark.parametrize("harm", ["directory", "file", "owner"])
def test_what_others_can_write_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """And the user is told."""
    path, said = tmp_path / "native" / "one.o", list[str]()
    keep(path, b"code")
    if harm == "owner":
        monkeypatch.setattr(trust, "_ROOT", -1)
        monkeypatch.setattr(trust.os, "geteuid", lambda: 54321)
    else:
        (path if harm == "file" else path.parent).chmod(0o777)
    assert kept(path, said.append) is None
    assert len(said) == 1
    assert "LOCKSTEP_CACHE" in said[0]


def test_a_cache_that_cannot_be_written_is_said_once(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a file in its place, for example."""
    said: list[str] = []
    monkeypatch.setenv("LOCKSTEP_CACHE", str(cache / "file" / "lockstep"))
    (cache / "file").touch()
    for _ in range(2):
        keep(cache / "file" / "lockstep" / "native" / "one.o", b"code", said.append)
    assert len(said) == 1
    assert "Not a directory" in said[0]


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
