"""Who can change what is in the cache: nobody but the user and root, or it is not used.

What is read from there is executed in this process, so owner and mode are looked at as ssh looks at
its keys: the directory and every file in it belong to the user or to root, and nobody else may
write to them; nor to a directory on the way there, up to the home directory or to the root, for who
may rename a directory may put another in its place.

Rejected: to repair the mode. What others could write until now is not known to be ours.
"""

import grp
import os
import pwd
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lockstep import places
from lockstep.errors import HostFailure

_ROOT: Final = 0
_ELSEWHERE: Final = f"set {places.CACHE_VARIABLE} to a directory of your own"

Notify = Callable[[str], None]

_told: Final[set[str]] = set()
"""The directories about which something was said in this process."""


class Untrusted(HostFailure):
    """Others can change it, or it is not what it should be."""


def check_directory(path: Path) -> None:
    """Check a directory and all on the way to it. `path` holds no link (see `places`).

    Raises Untrusted; FileNotFoundError if it is not there, or another OSError.
    """
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode):
        raise Untrusted(f"{path} is not a directory", remedy=f"remove it, or {_ELSEWHERE}")
    _check(path, found, found.st_mode & 0o022)
    _check_way(path.parent)


def make_directory(path: Path) -> None:
    """Make a directory, and those on the way to it, for the user alone; check it if it is there.

    Raises Untrusted or OSError.
    """
    if not _is_there(path):
        _make_below(path)
    check_directory(path)


def check_file(path: Path) -> None:
    """Check a file whose directory was checked. Raises Untrusted or OSError."""
    _check_plain(path, os.lstat(path))


def read_file(path: Path) -> bytes:
    """Read a file whose directory was checked. Raises Untrusted or OSError."""
    # A FIFO in its place would be waited for.
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as f:
        _check_plain(path, os.fstat(f.fileno()))
        return f.read()


def say_once(notify: Notify, error: HostFailure | OSError) -> None:
    """Say that nothing is kept, and why: once in a process for each cache directory."""
    try:
        directory = str(places.cache_directory())
    except HostFailure:
        directory = ""
    if directory in _told:
        return
    _told.add(directory)
    if isinstance(error, HostFailure):
        why, remedy = error.message, error.remedy
    else:
        # The words are better than the number, and the name of a temporary file tells nobody.
        why, remedy = f"{directory}: {error.strerror or error}", _ELSEWHERE
    notify(f"compiled code is not kept for the next time: {why} (remedy: {remedy})")


def _make_below(path: Path) -> None:
    missing = [path]
    while not _is_there(missing[-1].parent):
        missing.append(missing[-1].parent)
    _check_way(missing[-1].parent)
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def _is_there(path: Path) -> bool:
    """Whether anything has this name. Raises OSError if nobody can tell; `os.path.lexists` says no
    then, even of the root directory."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _check_way(directory: Path) -> None:
    """Check a directory that leads to the cache, and those above."""
    home = os.path.realpath(places.home_directory() or "/")
    for each in (directory, *directory.parents):
        found = os.lstat(each)
        writable = found.st_mode & 0o002 or (found.st_mode & 0o020 and not _private(found))
        # In a sticky directory, as /tmp is, others can neither rename nor remove what is ours.
        _check(each, found, 0 if found.st_mode & stat.S_ISVTX else writable)
        if os.fspath(each) == home:
            return


def _check_plain(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise Untrusted(f"{path} is not a plain file", remedy=f"remove it, or {_ELSEWHERE}")
    _check(path, found, found.st_mode & 0o022)


def _check(path: Path, found: os.stat_result, writable: int) -> None:
    if found.st_uid not in (_ROOT, os.geteuid()):
        raise Untrusted(f"{path} belongs to {_name(found.st_uid)}", remedy=_ELSEWHERE)
    if writable:
        raise Untrusted(
            f"{path} can be written by others (mode {stat.S_IMODE(found.st_mode):o})",
            remedy=f"chmod go-w {path}, or {_ELSEWHERE}",
        )


def _private(found: os.stat_result) -> bool:
    """Whether a group is the user's own, as where the umask is 002: of his name, and only his."""
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(found.st_gid)
    except KeyError:
        return False
    alone = group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
    return alone and user.pw_uid != _ROOT


def _name(uid: int) -> str:
    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user {uid}"
