"""A pseudo-terminal with the command line in its foreground, and somebody who types."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import termios
import time

PATIENCE_S = 20

IN_FRONT = """
import os, sys
os.open(os.ttyname(0), os.O_RDWR)  # the first terminal that a session opens becomes its own
os.execv(sys.executable, [sys.executable, "-m", "lockstep", *sys.argv[1:]])
"""


class Terminal:
    """`lockstep ARGUMENTS` at a terminal of its own; its messages may go to another file."""

    def __init__(self, *arguments: object, messages: int | None = None) -> None:
        self.master, self.slave = os.openpty()
        self.before = termios.tcgetattr(self.slave)
        self._seen = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", IN_FRONT, *map(str, arguments)],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave if messages is None else messages,
            start_new_session=True,
        )

    def expect(self, text: bytes) -> None:
        """Read until it appears."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self._seen and self._wait(deadline):
            self._seen += os.read(self.master, 4096)
        assert text in self._seen
        self._seen = self._seen[self._seen.index(text) + len(text) :]

    def rest(self) -> bytes:
        """What has come and was not expected yet; asked when it has ended."""
        while self._wait(0):
            self._seen += os.read(self.master, 4096)
        return self._seen

    def unread(self) -> bytes:
        """What was typed and nobody has read: it would be a shell's."""
        os.set_blocking(self.slave, False)
        mode = termios.tcgetattr(self.slave)
        mode[3] &= ~termios.ICANON
        termios.tcsetattr(self.slave, termios.TCSANOW, mode)
        try:
            return os.read(self.slave, 4096)
        except BlockingIOError:
            return b""

    def _wait(self, deadline: float) -> bool:
        left_s = max(deadline - time.monotonic(), 0)
        return bool(select.select([self.master], [], [], left_s)[0])

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def ended(self) -> int:
        """The exit status; the terminal is as it was before."""
        status = self.process.wait(PATIENCE_S)
        assert termios.tcgetattr(self.slave) == self.before
        return status

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)
