"""Recordings last: their kernels may be built anew, moved, and given by hand."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.cli import Done

Cli = Callable[..., Done]
READERS = (("replay",), ("verify",), ("verify", "--quick"), ("verify", "--locate"), ("profile",))


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of this test."""
    monkeypatch.setenv("LOCKSTEP_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def forget(data: Path) -> None:
    """As on another machine."""
    shutil.rmtree(data)


def refused(done: Done, status: int, *words: str) -> None:
    assert done.status == status, done.err
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err
    assert "remedy:" in done.err


@pytest.mark.parametrize("verb", [*READERS, ("pack",)])
def test_a_kernel_that_was_built_anew_leaves_the_recording_replayable(
    cli: Cli, recording: Path, verb: tuple[str, ...]
) -> None:
    """Written over in place, or gone: a copy was kept."""
    kernel = recording.with_name("demo.elf")
    kernel.write_bytes(b"built anew".ljust(kernel.stat().st_size))
    assert cli(*verb, recording).status == 0
    kernel.unlink()
    assert cli(*verb, recording).status == 0


@pytest.mark.parametrize("verb", [*READERS, ("pack",)])
def test_without_a_copy_the_error_says_what_to_give(
    cli: Cli, recording: Path, data: Path, verb: tuple[str, ...], tmp_path: Path
) -> None:
    """And that is taken, if it is the right one."""
    forget(data)
    kernel = recording.with_name("demo.elf")
    right = tmp_path / "elsewhere" / "vmlinux"
    right.parent.mkdir()
    shutil.copy(kernel, right)
    kernel.write_bytes(kernel.read_bytes() + b"\0")
    refused(cli(*verb, recording), 4, "has changed", "demo.elf", "--image kernel=PATH")
    kernel.unlink()
    sha256 = hashlib.sha256(right.read_bytes()).hexdigest()
    refused(cli(*verb, recording), 4, "no such file", sha256, "--image kernel=PATH")
    (tmp_path / "wrong").write_bytes(b"wrong")
    refused(cli(*verb, recording, "--image", f"kernel={tmp_path / 'wrong'}"), 2, sha256)
    refused(cli(*verb, recording, "--image", f"dtb={right}"), 2, "'dtb'")
    refused(cli(*verb, recording, "--image", right), 2, "ROLE=PATH")
    assert cli(*verb, recording, "--image", f"kernel={right}").status == 0


def test_a_directory_with_a_recording_and_its_image_may_be_moved(
    cli: Cli, recording: Path, data: Path, tmp_path: Path
) -> None:
    """They find each other."""
    forget(data)
    there = tmp_path / "there"
    there.mkdir()
    for each in (recording, recording.with_name("demo.elf")):
        each.rename(there / each.name)
    assert cli("replay", there / recording.name).status == 0
    (there / "demo.elf").rename(there / "vmlinux")
    assert cli("replay", there / recording.name).status == 0


def test_a_recording_does_not_say_where_it_was_made(
    cli: Cli, record: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No path of the home directory; and none at all once it is packed."""
    home = tmp_path / "home" / "me"
    (home / "linux").mkdir(parents=True)
    (home / "rec").mkdir()
    monkeypatch.setenv("HOME", str(home))
    shutil.copy(tmp_path / "demo.elf", home / "linux" / "Image")
    assert record(home / "rec" / "r", "--kernel", home / "linux" / "Image").status == 0
    assert str(tmp_path).encode() not in (home / "rec" / "r").read_bytes()
    facts = json.loads(cli("info", home / "rec" / "r", "--json").out)
    assert facts["machine"]["kernel"] == "Image"
    assert b"~/linux/Image" in (home / "rec" / "r").read_bytes()
    assert cli("pack", home / "rec" / "r").status == 0
    assert b"linux/Image" not in (home / "rec" / "r").read_bytes()
    assert cli("replay", home / "rec" / "r").status == 0


def test_a_data_directory_that_cannot_be_written_is_no_failure(
    record: Callable[..., Done], data: Path, tmp_path: Path
) -> None:
    """It is said."""
    data.write_bytes(b"")
    done = record(tmp_path / "r")
    assert done.status == 0
    assert done.err.count("LOCKSTEP_DATA") == 1


def test_kept_images_are_listed_and_cleared(
    cli: Cli, recording: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With how much they may take."""
    sha256 = hashlib.sha256(recording.with_name("demo.elf").read_bytes()).hexdigest()
    facts = json.loads(cli("images", "--json").out)
    assert [each["sha256"] for each in facts["images"]] == [sha256]
    assert (facts["path"], facts["limit"]) == (str(data / "images"), 2 << 30)
    assert sha256 in cli("images", "list").out
    assert "0 images" in cli("images", "clear").out
    assert json.loads(cli("images", "--json").out)["images"] == []
    monkeypatch.setenv("LOCKSTEP_IMAGES_SIZE", "lots")
    refused(cli("images"), 2, "LOCKSTEP_IMAGES_SIZE")


def test_none_are_kept_if_the_user_wants_none(
    record: Callable[..., Done], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor if they are in the recording."""
    assert record(tmp_path / "r", "--pack").status == 0
    assert not data.exists()
    monkeypatch.setenv("LOCKSTEP_IMAGES_SIZE", "0")
    assert record(tmp_path / "s").status == 0
    assert not data.exists()
