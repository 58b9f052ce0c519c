"""The private apt: what it needs from the machine, and what it says when that is missing."""

import os
from pathlib import Path

import pytest

from lockstep.errors import UsageError
from lockstep.host.debian import apt as debian
from lockstep.host.debian.apt import Apt


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on the PATH with tools that say nothing and succeed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in debian.TOOLS:
        say(folder / name, "")
    keys = tmp_path / "keys.gpg"
    keys.touch()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv(debian.MIRROR_VARIABLE, "http://mirror.invalid/debian")
    monkeypatch.setattr(debian, "KEYRINGS", (keys,))
    return folder


def say(tool: Path, text: str, status: int = 0) -> None:
    tool.write_text(f"#!/bin/sh\ncat <<'EOF'\n{text}\nEOF\nexit {status}\n")
    tool.chmod(0o755)


def test_everything_of_apt_lies_under_one_directory(tools: Path, tmp_path: Path) -> None:
    """State, lists, cache and dpkg status are ours: the host's are not touched."""
    say(tools / "apt-config", 'Acquire::http::Proxy "http://proxy.invalid";\nDir::State "/var";')
    root = tmp_path / "apt"
    Apt(root, "testing", "riscv64")
    written = (root / "apt.conf").read_text()
    folders = [line.split('"')[1] for line in written.splitlines() if line.startswith("Dir::")]
    assert all(folder == "/dev/null" or folder.startswith(str(root)) for folder in folders)
    assert "proxy.invalid" in written  # how the network is reached is the host's business


def test_the_source_is_signed_by_debians_keys(tools: Path, tmp_path: Path) -> None:
    """No source without a keyring, so nothing unverified."""
    Apt(tmp_path / "apt", "testing", "riscv64")
    source = (tmp_path / "apt" / "sources.list").read_text()
    assert f"signed-by={tmp_path / 'keys.gpg'}" in source
    assert "http://mirror.invalid/debian testing main" in source


def test_a_machine_without_apt_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere than on Debian one brings one's own guests."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no apt-get") as refused:
        Apt(tmp_path / "apt", "testing", "riscv64")
    assert "--kernel" in refused.value.remedy


@pytest.mark.usefixtures("tools")
def test_a_missing_keyring_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its package is named."""
    monkeypatch.setattr(debian, "KEYRINGS", (tmp_path / "none.gpg",))
    with pytest.raises(UsageError, match="keyring is missing") as refused:
        Apt(tmp_path / "apt", "testing", "riscv64")
    assert "debian-archive-keyring" in refused.value.remedy


def test_an_index_that_does_not_verify_is_an_error(tools: Path, tmp_path: Path) -> None:
    """apt-get update ends with 0 even then; its words are looked at."""
    apt = Apt(tmp_path / "apt", "testing", "riscv64")
    say(tools / "apt-get", "Err:2 Packages\n  Hash Sum mismatch")
    with pytest.raises(UsageError, match="Hash Sum mismatch"):
        apt.update()


def test_a_missing_network_is_an_error_with_a_remedy(tools: Path, tmp_path: Path) -> None:
    """What apt said is passed on."""
    apt = Apt(tmp_path / "apt", "testing", "riscv64")
    say(tools / "apt-get", "E: Could not resolve host", status=100)
    with pytest.raises(UsageError, match="Could not resolve") as refused:
        apt.download("busybox-static")
    assert debian.MIRROR_VARIABLE in refused.value.remedy


def test_dependencies_are_read_first_choices_only(tools: Path, tmp_path: Path) -> None:
    """Versions, alternatives and architectures are left out."""
    apt = Apt(tmp_path / "apt", "testing", "riscv64")
    say(tools / "apt-cache", "Package: p\nPre-Depends: a (>= 1)\nDepends: b | c, d:any\n")
    assert apt.depends("p") == ["a", "b", "d"]


def test_the_mirror_is_the_machines_own(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first Debian archive among apt's sources; its security archive has no such name."""
    monkeypatch.delenv(debian.MIRROR_VARIABLE)
    say(tools / "apt-get", "http://a.invalid/debian-security\nhttp://b.invalid/debian\n")
    assert debian.mirror() == "http://b.invalid/debian"


def test_no_mirror_is_told_with_the_variable(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be named by hand."""
    monkeypatch.delenv(debian.MIRROR_VARIABLE)
    say(tools / "apt-get", "")
    with pytest.raises(UsageError, match="no Debian mirror") as refused:
        debian.mirror()
    assert debian.MIRROR_VARIABLE in refused.value.remedy
