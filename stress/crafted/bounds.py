"""One call, with its time and its memory bounded and its error judged. For all crafted input."""

from __future__ import annotations

import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from lockstep.errors import LockstepError

PATIENCE_S: Final = 20
_SELF: Final = Path("/proc/self")


class Hang(BaseException):
    """It took too long."""


@dataclass
class Verdict:
    """What came of some trials: how each call ended, and what should not have happened."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


@dataclass
class Judge:
    """Says of calls how they ended. `allowed` are the statuses that an error may have, `memory`
    how many bytes a call may take beside what the process has."""

    verdict: Verdict
    case: str
    allowed: frozenset[int]
    memory: int

    def attempt(self, name: str, call: Callable[[], object]) -> int:
        """The status it ends with; a failure is noted."""
        before = _resident("VmRSS")
        (_SELF / "clear_refs").write_text("5")  # from here on VmHWM is the peak, proc(5)
        began = time.monotonic()
        status = self._status(name, call)
        took, more = time.monotonic() - began, _resident("VmHWM") - before
        if more > self.memory:
            self.fail(f"{name} takes {more >> 20:,} MiB")
        if took > PATIENCE_S / 2:
            self.fail(f"{name} takes {took:.1f} s")
        self.verdict.counts[f"{name}: {_WORDS.get(status, 'traceback')}"] += 1
        return status

    def fail(self, what: str) -> None:
        """It should not have happened."""
        self.verdict.failures.append(f"{self.case}: {what}")

    def _status(self, name: str, call: Callable[[], object]) -> int:
        signal.signal(signal.SIGALRM, _hang)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
        try:
            call()
            return 0
        except Hang:
            self.fail(f"{name} hangs")
            return -1
        except LockstepError as error:
            if error.exit_status not in self.allowed or not error.message:
                self.fail(f"{name} ends with {error.exit_status}: {error.message[:300]!r}")
            return error.exit_status
        except BaseException as error:
            frames = traceback.extract_tb(error.__traceback__)[-3:]
            where = " < ".join(f"{each.filename}:{each.lineno}" for each in reversed(frames))
            self.fail(f"{name} raises {error!r:.300} at {where}")
            return -1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


_WORDS: Final = {0: "read", 2: "refused", 3: "diverged", 4: "a clear error", 6: "the host cannot"}


def _resident(which: str) -> int:
    """Bytes."""
    for line in (_SELF / "status").read_text().splitlines():
        if line.startswith(which):
            return int(line.split()[1]) << 10
    raise LookupError(which)


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hang
