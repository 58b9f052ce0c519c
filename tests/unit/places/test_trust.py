"""Who can change what is in the cache: its owner, its mode, and those of all on the way to it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lockstep.errors import HostFailure
from lockstep.places import trust
from lockstep.places.trust import (
    Untrusted,
    check_directory,
    check_file,
    make_directory,
    read_file,
    say_once,
)

STRANGER = 54321


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_told", set())


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, int], None]:
    """Gives a file to another user, as far as `trust` can tell: the tests need not be root's."""
    owners: dict[Path, int] = {}

    def seen(path: Path, real: Callable[[Path], os.stat_result]) -> os.stat_result:
        found = real(path)
        values = list(found)
        values[4] = owners.get(Path(path), found.st_uid)
        return os.stat_result(values)

    lstat = os.lstat
    fake = SimpleNamespace(**{name: getattr(os, name) for name in dir(os)})
    fake.lstat = lambda path: seen(path, lstat)
    monkeypatch.setattr(trust, "os", fake)
    return owners.__setitem__


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_what_is_made_is_for_the_user_alone(tmp_path: Path, strict_umask: None) -> None:
    """And so is all that is made on the way there, although the umask forbids nothing."""
    make_directory(tmp_path / "a" / "b")
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "a", tmp_path / "a" / "b")}
    assert modes == {0o700}
    make_directory(tmp_path / "a" / "b")


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720, 0o702, 0o1777])
def test_a_directory_that_others_can_write_is_not_trusted(tmp_path: Path, mode: int) -> None:
    """They may put into it what they like. It is not repaired: who knows what is in it."""
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(mode)
    for use in (check_directory, make_directory):
        with pytest.raises(Untrusted, match="can be written by others") as caught:
            use(cache)
        assert f"(mode {mode:o})" in caught.value.message
        assert f"chmod go-w {cache}" in caught.value.remedy
        assert "LOCKSTEP_CACHE" in caught.value.remedy
    assert cache.stat().st_mode & 0o7777 == mode


def test_another_users_directory_is_not_trusted(
    tmp_path: Path, own: Callable[[Path, int], None]
) -> None:
    """As root has it who became so with the home of a user; and he is not written to."""
    cache = tmp_path / "cache"
    cache.mkdir()
    own(cache, STRANGER)
    with pytest.raises(Untrusted, match=f"belongs to the user {STRANGER}"):
        check_directory(cache)
    with pytest.raises(Untrusted):
        make_directory(cache / "lockstep")
    assert list(cache.iterdir()) == []


def test_roots_directory_is_trusted(tmp_path: Path, own: Callable[[Path, int], None]) -> None:
    """He can do anything anyhow."""
    own(tmp_path, 0)
    check_directory(tmp_path)


@pytest.mark.parametrize("mode", [0o757, 0o777])
def test_the_way_there_is_looked_at(tmp_path: Path, mode: int) -> None:
    """Who may rename the directory may put another in its place."""
    cache = tmp_path / "between" / "cache"
    make_directory(cache)
    cache.parent.chmod(mode)
    with pytest.raises(Untrusted, match="between can be written by others"):
        check_directory(cache)
    cache.parent.chmod(0o1777)  # as /tmp: nobody can rename what is another's
    check_directory(cache)


def test_the_way_begins_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ssh has it: how the host keeps its homes is its own affair."""
    home = tmp_path / "homes" / "me"
    make_directory(home / "cache")
    home.parent.chmod(0o777)
    monkeypatch.setenv("HOME", str(home))
    check_directory(home / "cache")
    monkeypatch.setenv("HOME", str(home / "cache" / "other"))
    with pytest.raises(Untrusted):
        check_directory(home / "cache")


def test_a_group_of_ones_own_is_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the umask is 002 every home is open to it. The cache itself is not, on any account."""
    cache = tmp_path / "between" / "cache"
    make_directory(cache)
    cache.parent.chmod(0o770)
    user = SimpleNamespace(pw_name="me", pw_uid=STRANGER)
    monkeypatch.setattr(trust.pwd, "getpwuid", lambda uid: user)
    for name, members, trusted in (("me", [], True), ("me", ["you"], False), ("us", [], False)):
        group = SimpleNamespace(gr_name=name, gr_mem=members)
        monkeypatch.setattr(trust.grp, "getgrgid", lambda gid, group=group: group)
        if trusted:
            check_directory(cache)
        else:
            with pytest.raises(Untrusted):
                check_directory(cache)
    cache.chmod(0o770)
    with pytest.raises(Untrusted):
        check_directory(cache)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_not_trusted(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"code")
    assert read_file(path) == b"code"
    path.chmod(mode)
    for use in (check_file, read_file):
        with pytest.raises(Untrusted, match="can be written by others"):
            use(path)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """A FIFO, a device, a directory, a link: none of them was put there by us."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_bytes(b"code")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "directory").mkdir()
    for name in ("fifo", "link", "directory"):
        with pytest.raises((Untrusted, OSError)):
            read_file(tmp_path / name)
        with pytest.raises(Untrusted, match="is not a plain file"):
            check_file(tmp_path / name)


def test_a_file_in_place_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    with pytest.raises(Untrusted, match="is not a directory"):
        make_directory(tmp_path / "cache")
    with pytest.raises(NotADirectoryError):
        make_directory(tmp_path / "cache" / "native")


def test_it_is_said_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For each directory; with the reason and what to do about it, in one line."""
    said: list[str] = []
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path))
    for _ in range(3):
        say_once(said.append, OSError(errno.EROFS, os.strerror(errno.EROFS)))
        say_once(said.append, HostFailure("no", remedy="yes"))
    (line,) = said
    assert "Read-only file system" in line
    assert "\n" not in line
    assert "set LOCKSTEP_CACHE to a directory of your own" in line
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "other"))
    say_once(said.append, HostFailure("it is wide open", remedy="close it"))
    assert "it is wide open (remedy: close it)" in said[1]


def test_a_disk_that_tells_nothing_is_not_looked_at_for_ever(tmp_path, monkeypatch):
    """Even the root directory seems not to be there, then."""

    def fail(path):
        raise OSError(errno.EIO, "Input/output error", path)

    monkeypatch.setattr(os, "lstat", fail)
    with pytest.raises(OSError, match="Input/output"):
        make_directory(tmp_path / "cache" / "lockstep")
