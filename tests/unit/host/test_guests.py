"""The guests in the cache: fetched once, checked by their digests, replaced as a whole."""

import gzip
from pathlib import Path

import pytest

from lockstep.errors import HostFailure, UsageError
from lockstep.host import guests
from lockstep.host.debian.initramfs import files_of
from lockstep.host.debian.packages import Found
from lockstep.host.guests import fetch_guests, find_guests


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A Debian that keeps track of the architectures it was asked for, in an empty cache."""
    asked: list[str] = []

    def apt(root: Path, suite: str, architecture: str) -> None:
        root.mkdir(exist_ok=True)
        asked.append(architecture)

    def found(apt: None) -> Found:
        library = {"libc.so.6": (b"libc", "installer_1")}
        return Found((b"kernel", "k_1"), (b"firmware", "f_1"), (b"busybox", "b_1"), library)

    monkeypatch.delenv("LOCKSTEP_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(guests, "Apt", apt)
    monkeypatch.setattr(guests, "from_packages", found)
    monkeypatch.setattr(guests, "from_installer", found)
    monkeypatch.setattr(guests, "host_architecture", lambda: "host")
    return asked


def quiet(_: str) -> None:
    pass


def test_what_is_there_is_not_fetched_again(debian: list[str]) -> None:
    """The second time costs no network."""
    first = fetch_guests(quiet)
    assert fetch_guests(quiet) == first
    assert debian == ["riscv64"]


def test_refresh_fetches_again(debian: list[str]) -> None:
    """For when Debian has a newer kernel."""
    fetch_guests(quiet)
    fetch_guests(quiet, refresh=True)
    assert debian == ["riscv64", "riscv64"]


def test_guests_that_others_can_write_are_none(debian: list[str], tmp_path: Path) -> None:
    """They are started as firmware and as kernels. Who wants them is told what to do."""
    directory = fetch_guests(quiet).directory
    assert directory.stat().st_mode & 0o777 == 0o700
    modes = {each.stat().st_mode & 0o777 for each in directory.rglob("*") if each.is_file()}
    assert modes == {0o600}
    directory.parent.chmod(0o777)
    assert find_guests() is None
    with pytest.raises(HostFailure, match="can be written by others"):
        fetch_guests(quiet)


def test_guests_without_a_place_are_a_failure_of_the_host(
    debian: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file lies there, for example."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(HostFailure, match="Not a directory") as caught:
        fetch_guests(quiet)
    assert "LOCKSTEP_CACHE" in caught.value.remedy


def test_a_damaged_guest_counts_as_none(debian: list[str]) -> None:
    """The manifest has the digest of every file."""
    fetch_guests(quiet).kernel.write_bytes(b"kernex")
    assert find_guests() is None
    fetch_guests(quiet)
    assert find_guests() is not None


def test_the_manifest_says_where_each_file_is_from(debian: list[str]) -> None:
    """Packages with their versions."""
    files = fetch_guests(quiet).manifest.files
    assert files["Image"].package == "k_1"
    assert files["lib/libc.so.6"].package == "installer_1"


def test_another_init_script_gets_the_same_programs(debian: list[str]) -> None:
    """A test brings its script; busybox and its libraries come out of the cache."""
    archive = fetch_guests(quiet).initramfs("#!/bin/sh\n")
    files = dict(files_of(gzip.decompress(archive)))
    assert files["init"] == b"#!/bin/sh\n"
    assert files["lib/libc.so.6"] == b"libc"


def test_the_installer_stands_in_when_the_packages_do_not_verify(
    debian: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in the index of the host's own architecture; the reason is told."""
    monkeypatch.setattr(guests, "from_packages", refuse)
    told: list[str] = []
    fetch_guests(told.append)
    assert debian == ["riscv64", "host"]
    assert any("half synchronised" in text for text in told)


def test_if_nothing_can_be_had_the_first_reason_is_given(
    debian: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in's own failure would only mislead; and nothing counts as fetched."""
    monkeypatch.setattr(guests, "from_packages", refuse)
    monkeypatch.setattr(guests, "from_installer", refuse_otherwise)
    with pytest.raises(UsageError, match="half synchronised"):
        fetch_guests(quiet)
    assert find_guests() is None


def refuse(_: object) -> Found:
    raise UsageError("the mirror is half synchronised")


def refuse_otherwise(_: object) -> Found:
    raise UsageError("no installer either")
