"""The terminal on standard input: keys reach us one by one, and it is always put back.

Ctrl-C does what the signal would do: it ends the session. But it comes as a key, or the terminal
would make a signal of the one in Ctrl-A Ctrl-C, too. Ctrl-A is the escape key: Ctrl-A x quits,
Ctrl-A c opens and leaves the monitor, Ctrl-A Ctrl-C sends Ctrl-C to the guest, Ctrl-A Ctrl-A sends
Ctrl-A.
"""

import atexit
import os
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

ESCAPE: Final = "\x01"
INTERRUPT: Final = "\x03"

HELP: Final = """\
Ctrl-A h       this help
Ctrl-A x       quit
Ctrl-A c       switch between the console and the monitor
Ctrl-A Ctrl-C  send Ctrl-C to the guest (alone it ends the session)
Ctrl-A Ctrl-A  send Ctrl-A to the guest
"""

_ESCAPED: Final = "xch"
"""Commands after the escape key."""


class Keys(NamedTuple):
    """What was typed: bytes for whoever has the keyboard, then perhaps a command (or INTERRUPT)."""

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
            if key in (_ESCAPED if escaped else INTERRUPT):
                parts.append(Keys(bytes(plain), key))
                plain.clear()
            elif escaped == (key in ESCAPE + INTERRUPT):
                plain.append(byte)
        if plain:
            parts.append(Keys(bytes(plain), None))
        return parts


def is_terminal(fd: int) -> bool:
    """Whether it is a terminal that is ours: a job in the background must not touch it."""
    return os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp()


def single_keys(fd: int) -> Callable[[], None]:
    """Let keys through at once and unechoed; returns what puts the terminal back.

    It is put back at exit, too, should nobody get to do so earlier. Output processing stays on, as
    messages of ours end lines with a mere newline.
    """
    before = termios.tcgetattr(fd)
    mode = termios.tcgetattr(fd)
    mode[0] &= ~(termios.ICRNL | termios.INLCR | termios.IXON | termios.ISTRIP | termios.BRKINT)
    mode[3] &= ~(termios.ICANON | termios.ECHO | termios.IEXTEN | termios.ISIG)
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    termios.tcsetattr(fd, termios.TCSANOW, mode)

    def put_back() -> None:
        atexit.unregister(put_back)
        with suppress(termios.error):  # it was hung up
            termios.tcsetattr(fd, termios.TCSANOW, before)

    atexit.register(put_back)
    return put_back
