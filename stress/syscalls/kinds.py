"""The system calls that are made to fail, and the errors they may fail with, by their manuals."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, NamedTuple

from stress.syscalls.listener import number

_STANDARD: Final = 3
_LOCKS: Final = (fcntl.F_SETLK, fcntl.F_SETLKW, fcntl.F_GETLK, fcntl.F_OFD_SETLK)
_COPIES: Final = (fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC)


class Made(NamedTuple):
    """A system call. `target`: what its descriptor is, as in /proc; "" if its first argument, which
    is the number of one with most calls, is not."""

    name: str
    args: tuple[int, ...]
    target: str

    @property
    def on_file(self) -> bool:
        """Whether it is about a file, and not a pipe."""
        return not self.target or self.target.startswith("/")

    @property
    def on_standard(self) -> bool:
        """Whether it is about a standard stream."""
        return bool(self.target) and self.args[0] < _STANDARD


def _any(call: Made) -> bool:
    return True


def _on_file(call: Made) -> bool:
    return call.on_file


def _on_pipe(call: Made) -> bool:
    return not call.on_file


def _creates(call: Made) -> bool:
    return bool(call.args[2] & os.O_CREAT)


def _locks(call: Made) -> bool:
    return call.name == "flock" or call.args[1] in _LOCKS


def _copies(call: Made) -> bool:
    return call.name != "fcntl" or call.args[1] in _COPIES


def _needs_space(call: Made) -> bool:
    """Of the disk with the files: standard output goes elsewhere."""
    if call.name == "openat":
        return _creates(call)
    return call.on_file and not call.on_standard


def _needs_disk(call: Made) -> bool:
    return call.on_file and not call.on_standard


_READS: Final = ("read", "pread64", "readv", "preadv", "preadv2")
_WRITES: Final = ("write", "pwrite64", "writev", "pwritev", "pwritev2")
_STATS: Final = (
    *("stat", "lstat", "fstat", "newfstatat", "statx", "access", "faccessat", "faccessat2"),
    *("readlink", "readlinkat", "getdents64", "statfs", "fstatfs"),
)
_TRUNCATES: Final = ("truncate", "ftruncate", "fallocate")
_SYNCS: Final = ("fsync", "fdatasync", "sync_file_range")
_RENAMES: Final = ("rename", "renameat", "renameat2")
_UNLINKS: Final = ("unlink", "unlinkat", "rmdir")
_MAKES: Final = ("mkdir", "mkdirat", "link", "linkat", "symlink", "symlinkat")
_MODES: Final = ("chmod", "fchmod", "fchmodat", "chown", "fchown", "fchownat", "utimensat")
_SENDS: Final = ("sendfile", "copy_file_range")


class Kind(NamedTuple):
    """System calls that may fail alike, if the call `applies`."""

    calls: tuple[str, ...]
    errors: tuple[int, ...]
    applies: Callable[[Made], bool] = _any
    lasting: bool = False
    """Not one fails, but all from one on."""


KINDS: Final[Mapping[str, Kind]] = {
    "open": Kind(("openat", "open"), (errno.EIO, errno.EINTR, errno.ENOMEM, errno.EMFILE)),
    "create": Kind(("openat",), (errno.ENOSPC,), _creates),
    "read": Kind(_READS, (errno.EIO, errno.EINTR), _on_file),
    "write": Kind(_WRITES, (errno.EIO, errno.ENOSPC, errno.EINTR), _on_file),
    "transfer": Kind((*_READS, *_WRITES), (errno.EINTR,), _on_pipe),
    "copy": Kind(_SENDS, (errno.EIO, errno.ENOSPC, errno.ENOMEM)),
    "stat": Kind(_STATS, (errno.EIO, errno.ENOMEM)),
    "truncate": Kind(_TRUNCATES, (errno.EIO, errno.ENOSPC, errno.EINTR)),
    "sync": Kind(_SYNCS, (errno.EIO, errno.ENOSPC, errno.EINTR)),
    "rename": Kind(_RENAMES, (errno.EIO, errno.ENOSPC, errno.ENOMEM)),
    "unlink": Kind(_UNLINKS, (errno.EIO, errno.ENOMEM)),
    "make": Kind(_MAKES, (errno.EIO, errno.ENOSPC, errno.ENOMEM)),
    "mode": Kind(_MODES, (errno.EIO, errno.ENOMEM)),
    "close": Kind(("close",), (errno.EIO,), _on_file),
    "lock": Kind(("flock", "fcntl"), (errno.EINTR, errno.EIO, errno.ENOLCK), _locks),
    "memory": Kind(("mmap", "mremap", "mprotect", "brk"), (errno.ENOMEM,)),
    "thread": Kind(("clone", "clone3", "fork", "vfork"), (errno.EAGAIN, errno.ENOMEM)),
    "pipe": Kind(("pipe", "pipe2", "socket", "socketpair"), (errno.EMFILE, errno.ENOMEM)),
    "dup": Kind(("dup", "dup2", "dup3", "fcntl"), (errno.EMFILE, errno.ENOMEM), _copies),
    "poll": Kind(("poll", "ppoll", "select", "pselect6"), (errno.EINTR, errno.ENOMEM)),
    "entropy": Kind(("getrandom",), (errno.EINTR,)),
    "full disk": Kind(
        ("openat", *_WRITES, *_SENDS, *_TRUNCATES, *_SYNCS, *_RENAMES, *_MAKES),
        (errno.ENOSPC,), _needs_space, lasting=True,
    ),
    "dead disk": Kind(
        (
            *("openat", *_READS, *_WRITES, *_SENDS, *_STATS, *_TRUNCATES, *_SYNCS, *_RENAMES),
            *(*_UNLINKS, *_MAKES, *_MODES),
        ),
        (errno.EIO,), _needs_disk, lasting=True,
    ),
    "no descriptors": Kind(
        ("openat", "pipe", "pipe2", "socket", "socketpair", "dup", "fcntl"),
        (errno.EMFILE,), _copies, lasting=True,
    ),
}  # fmt: skip

WATCHED: Final = tuple(sorted({name for kind in KINDS.values() for name in kind.calls}))


ON_DESCRIPTORS: Final = frozenset(
    (*_READS, *_WRITES, *_SENDS, *_SYNCS, "ftruncate", "fstat", "close", "getdents64", "fstatfs")
)
"""Calls whose first argument is the number of what they are about."""


PATH_ARGUMENTS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("open", "stat", "lstat", "access", "readlink", "truncate", "statfs"), 0),
    **dict.fromkeys(("rename", "unlink", "rmdir", "mkdir", "link", "symlink", "chmod", "chown"), 0),
    **dict.fromkeys(("openat", "newfstatat", "statx", "faccessat", "faccessat2", "readlinkat"), 1),
    **dict.fromkeys(("renameat", "renameat2", "unlinkat", "mkdirat", "linkat", "fchmodat"), 1),
    **dict.fromkeys(("fchownat", "utimensat"), 1),
}
"""Where the path is, of calls that have one."""


@cache
def names() -> Mapping[int, str]:
    """The watched calls by their numbers on this machine."""
    return {number(name): name for name in WATCHED if number(name) >= 0}
