"""Asks us before a system call is made, whether it shall be: seccomp's user notification.

Rejected: `strace -e inject`. It stops at every call of every thread and counts each thread for
itself, so "the third write" is several; and it would count what Python does until it has started.

See seccomp(2) and seccomp_unotify(2).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import socket
import struct
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Final, NamedTuple

_LIBRARY: Final = "libseccomp.so.2"  # apt itself needs it, so it is there
_ALLOW: Final = 0x7FFF0000
_NOTIFY: Final = 0x7FC00000
_UNKNOWN: Final = -1

# linux/seccomp.h: struct seccomp_notif, struct seccomp_notif_resp, and the calls that take them
_ASKED: Final = struct.Struct("=QIIiIQ6Q")
_ANSWER: Final = struct.Struct("=QqiI")
_RECEIVE: Final = 0xC0502100
_SEND: Final = 0xC0182101
_CONTINUE: Final = 1


class Call(NamedTuple):
    """A system call that `thread` is about to make."""

    id: int
    thread: int
    number: int
    args: tuple[int, ...]


class Listener:
    """The calls of a process and its children, one by one. States: open, then closed."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def receive(self, timeout_s: float) -> Call | None:
        """The next one, which waits for its answer; None if there is none in that time. Raises
        EOFError when nobody is left to make one."""
        for _, event in self._poll.poll(timeout_s * 1e3):
            if not event & select.POLLIN:
                raise EOFError
            asked = bytearray(_ASKED.size)
            try:
                fcntl.ioctl(self._fd, _RECEIVE, asked, True)
            except FileNotFoundError:  # whoever asked was killed, or interrupted, meanwhile
                continue
            call, thread, _, number, _, _, *args = _ASKED.unpack(asked)
            return Call(call, thread, number, tuple(args))
        return None

    def allow(self, call: Call) -> None:
        """Let it be made."""
        self._answer(call, 0, _CONTINUE)

    def fail(self, call: Call, error: int) -> None:
        """Let it return the error `error`, and do nothing."""
        # brk(2) has no errors: a break that was not moved tells that it failed.
        self._answer(call, 0 if call.number == number("brk") else -error, 0)

    def close(self) -> None:
        """From now on all of these calls fail, should there be any."""
        os.close(self._fd)

    def _answer(self, call: Call, error: int, flags: int) -> None:
        with suppress(FileNotFoundError):  # it was killed, or interrupted
            fcntl.ioctl(self._fd, _SEND, bytearray(_ANSWER.pack(call.id, 0, error, flags)), True)


@cache
def number(name: str) -> int:
    """Of a system call on this machine; negative if it has none of that name."""
    return int(_library().seccomp_syscall_resolve_name(name.encode()))


def watch(names: Iterable[str], through: socket.socket) -> None:
    """From now on this thread, and all that it starts, asks before it makes one of these calls.
    Who is to answer gets the listener's file descriptor through a socket; here it stays open, as to
    close it would be the first call. Raises OSError."""
    library = _library()
    rules = library.seccomp_init(_ALLOW)
    for each in map(number, names):
        if each != _UNKNOWN and library.seccomp_rule_add_array(rules, _NOTIFY, each, 0, None):
            raise OSError(f"no rule can be made for system call {each}")
    if error := library.seccomp_load(rules):
        raise OSError(-error, f"seccomp: {os.strerror(-error)}")
    socket.send_fds(through, [b"\0"], [library.seccomp_notify_fd(rules)])


def take(through: socket.socket) -> Listener:
    """The listener that `watch` sends. Raises EOFError."""
    _, fds, _, _ = socket.recv_fds(through, 1, 1)
    if not fds:
        raise EOFError
    return Listener(fds[0])


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(_LIBRARY)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    library.seccomp_notify_fd.argtypes = [ctypes.c_void_p]
    library.seccomp_rule_add_array.argtypes = [
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)
    ]
    return library
