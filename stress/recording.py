"""A recording under way, in a process of its own, of the guest that says what time it is."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_BEAT: Final = re.compile(rb"beat \d+ (\d+) [0-9a-f]{16}\r\n")
_PATIENCE_S: Final = 60


class Recording:
    """`lockstep record`. Its console goes to a file beside the recording."""

    def __init__(self, path: Path, *options: object) -> None:
        self._console = path.with_name(f"{path.name}.console")
        self._said = path.with_name(f"{path.name}.said")
        with self._console.open("wb") as console, self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "lockstep", "record", "-o", str(path)),
                    *("--kernel", str(beat()), "--bios", "none", "--memory", "16M"),
                    *map(str, options),
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=said,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._said.unlink(missing_ok=True)

    def wait_for_a_beat(self) -> None:
        """Until the guest runs."""
        deadline = time.monotonic() + _PATIENCE_S
        while not last_beat(self.console()) and time.monotonic() < deadline:
            time.sleep(0.005)

    def interrupt(self) -> None:
        """As Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """As `kill -9` does."""
        self._process.kill()
        self._process.wait()

    def wait(self) -> tuple[int, str]:
        """Until it ends: its exit status, and its messages."""
        status = self._process.wait(_PATIENCE_S)
        return status, self._said.read_text()

    def console(self) -> bytes:
        """What the guest has said so far."""
        return self._console.read_bytes()


def last_beat(console: bytes) -> int:
    """The host's time, in ns, when the guest last said what time it is; 0 if it never did."""
    return max((int(ns) for ns in _BEAT.findall(console[-4096:])), default=0)


def first_beat(console: bytes) -> int:
    """The host's time, in ns, when it said so first."""
    found = _BEAT.search(console)
    return int(found[1]) if found else 0


def beat() -> Path:
    """The guest, as `make guests` builds it."""
    path = Path(__file__).parents[1] / "guests" / "build" / "beat.elf"
    if not path.exists():
        raise SystemExit(f"{os.fspath(path)} is not built: run `make guests`")
    return path
