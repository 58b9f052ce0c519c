"""One damaged recording, given to everything that reads recordings, in a process of its own."""

from __future__ import annotations

import random
import resource
import signal
import tempfile
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

from lockstep.errors import BadRecording
from lockstep.session import api, archive
from stress.damage.mutations import Files, damage

PATIENCE_S: Final = 60
MEMORY: Final = 2 << 30
_READERS: Final = ("info", "events", "check", "replay", "recover")


@dataclass
class Sample:
    """An undamaged recording: its files, and what its guest said."""

    name: str
    files: Files
    console: bytes


@dataclass
class Verdict:
    """What came of some trials: how each reader ended, and what should not have happened."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


class Hang(BaseException):
    """It took too long."""


def prepare() -> None:
    """In a new process: no more memory than it needs, and an end to everything."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    resource.setrlimit(resource.RLIMIT_DATA, (used * 1024 + MEMORY, used * 1024 + MEMORY))
    signal.signal(signal.SIGALRM, _hang)


def run(samples: list[Sample], seeds: range) -> Verdict:
    """A trial for each seed."""
    verdict = Verdict()
    for seed in seeds:
        rng = random.Random(seed)
        sample = rng.choice(samples)
        files = {suffix: bytearray(data) for suffix, data in sample.files.items()}
        done = f"seed {seed}: {sample.name}, {' '.join(damage(files, rng))}"
        with tempfile.TemporaryDirectory(prefix="stress-") as directory:
            _Trial(Path(directory), sample, files, done, verdict).run()
    return verdict


class _Trial:
    def __init__(
        self, directory: Path, sample: Sample, files: Files, done: str, verdict: Verdict
    ) -> None:
        self._directory = directory
        self._sample = sample
        self._done = done
        self._verdict = verdict
        self._path = directory / "r"
        self._saved = directory / "saved"
        for suffix, data in files.items():
            self._path.with_name(f"r{suffix}").write_bytes(data)

    def run(self) -> None:
        before = self._contents()
        for reader in _READERS:
            signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
            try:
                self._verdict.counts[f"{reader}: {self._outcome(reader)}"] += 1
            except Hang:
                self._fail(f"{reader} hangs")
            except BaseException as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                self._fail(f"{reader} raises {error!r} at {where.filename}:{where.lineno}")
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        self._saved.unlink(missing_ok=True)
        if self._contents() != before:
            self._fail("the files beside it are not what they were")

    def _outcome(self, reader: str) -> str:
        try:
            return str(getattr(self, f"_{reader}")())
        except BadRecording as error:
            if not error.message or "\n" in error.message:
                self._fail(f"{reader} says {error.message!r}")
            return "a clear error"

    def _info(self) -> str:
        archive.info(self._path)
        return "read"

    def _events(self) -> str:
        for _ in archive.events(self._path):
            pass
        return "read"

    def _check(self) -> str:
        archive.check(self._path)
        return "sound"

    def _replay(self) -> str:
        return self._replayed(self._path, "replay")

    def _recover(self) -> str:
        archive.recover(self._path, self._saved)
        return self._replayed(self._saved, "replay of what was recovered")

    def _replayed(self, path: Path, what: str) -> str:
        console = api.replay(path).console
        whole = console == self._sample.console
        if not self._sample.console.startswith(console):
            self._fail(f"the {what} says something else")
        return "all of it replays" if whole else "its beginning replays"

    def _contents(self) -> dict[str, Any]:
        """All of it but SQLite's scratch file."""
        there = [each for each in self._directory.iterdir() if not each.name.endswith("-shm")]
        return {each.name: each.read_bytes() for each in there}

    def _fail(self, what: str) -> None:
        self._verdict.failures.append(f"{self._done}: {what}")


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hang
