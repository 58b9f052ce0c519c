"""The terminal on standard input: keys reach us one by one, and it is always put back.

Every key is the guest's, Ctrl-C included: whoever debugs a machine wants to interrupt what runs in
it. Ctrl-A is the escape key, as in QEMU; `HELP` lists what may follow it.
"""

import atexit
import os
import select
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

ESCAPE: Final = "\x01"
HELP: Final = """\
Ctrl-A h       this help
Ctrl-A x       end the session
Ctrl-A c       switch between the console and the monitor
Ctrl-A b       send a break (Linux: the next key is a SysRq command)
Ctrl-A t       switch time stamps of the console's lines on and off
Ctrl-A Ctrl-A  send Ctrl-A to the guest
"""

_QUIET_S: Final = 0.05
"""How long a terminal that has been asked something may take to answer."""

_LONGEST_S: Final = 0.5


class Keys(NamedTuple):
    """What was typed: bytes for whoever has the keyboard, then perhaps the key that followed the
    escape key, whatever it was."""

    data: bytes
    command: str | None


class EscapeFilter:
    """Tells commands from what is meant for the guest."""

    def __init__(self) -> None:
        self._escaped = False

    def feed(self, typed: bytes) -> list[Keys]:
        """Split what was typed at the commands."""
        parts: list[Keys] = []
        plain = bytearray()
        for byte in typed:
            key, escaped = chr(byte), self._escaped
            self._escaped = not escaped and key == ESCAPE
            if escaped and key != ESCAPE:
                parts.append(Keys(bytes(plain), key))
                plain.clear()
            elif not self._escaped:
                plain.append(byte)
        if plain:
            parts.append(Keys(bytes(plain), None))
        return parts


def key_name(key: str) -> str:
    """A key as people write it: Ctrl-C for one that cannot be printed."""
    if key.isprintable():
        return key
    return f"Ctrl-{chr(ord(key) + 0x40)}" if key < " " else f"key {ord(key):#x}"


def is_terminal(fd: int) -> bool:
    """Whether it is a terminal that is ours: a job in the background must not touch it."""
    return os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp()


def single_keys(fd: int) -> Callable[[], None]:
    """Let keys through at once and unechoed; returns what puts the terminal back.

    Output processing stays on, as messages of ours end lines with a mere newline.
    """
    mode = termios.tcgetattr(fd)
    mode[0] &= ~(termios.ICRNL | termios.INLCR | termios.IXON | termios.ISTRIP | termios.BRKINT)
    mode[3] &= ~(termios.ICANON | termios.ECHO | termios.IEXTEN | termios.ISIG)
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    return _change(fd, mode)


@contextmanager
def undisturbed(fd: int) -> Iterator[None]:
    """While entered nothing that is typed, or that a terminal answers, is shown or kept.

    Of a replay, that is: its guest asked the terminal of the recording, which has answered; what
    this one answers would be typed into the user's shell. Ctrl-C stays a signal. Does nothing with
    what is no terminal.
    """
    if not is_terminal(fd):
        yield
        return
    mode = termios.tcgetattr(fd)
    mode[3] &= ~(termios.ICANON | termios.ECHO)
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    put_back = _change(fd, mode)
    try:
        yield
    finally:
        _forget_answers(fd)
        put_back()


def _forget_answers(fd: int) -> None:
    """Read until nothing more comes."""
    latest = time.monotonic() + _LONGEST_S
    with suppress(OSError):
        while time.monotonic() < latest and select.select([fd], [], [], _QUIET_S)[0]:
            if not os.read(fd, 4096):
                return


def _change(fd: int, mode: list[int | list[bytes | int]]) -> Callable[[], None]:
    """Set the terminal's attributes; returns what puts it back, which is done at exit, too, should
    nobody get to do so earlier. What was typed and not read is dropped: a shell would run it."""
    before = termios.tcgetattr(fd)
    termios.tcsetattr(fd, termios.TCSANOW, mode)

    def put_back() -> None:
        atexit.unregister(put_back)
        with suppress(termios.error):  # it was hung up
            termios.tcflush(fd, termios.TCIFLUSH)
            termios.tcsetattr(fd, termios.TCSANOW, before)

    atexit.register(put_back)
    return put_back
