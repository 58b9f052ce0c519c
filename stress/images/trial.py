"""One wrong file, given to whatever reads such files, in a process of its own."""

from __future__ import annotations

import hashlib
import random
import resource
import signal
import tempfile
import traceback
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final

from lockstep.det.locks import Locks
from lockstep.errors import LockstepError
from lockstep.host.terminal import EscapeFilter
from lockstep.replay.format import Entropy, Image, Manifest
from lockstep.replay.log import LogWriter
from lockstep.session import api
from lockstep.session.control import Mailbox, Status
from lockstep.session.monitor import Monitor
from lockstep.session.symbols import Symbols
from stress.images.mutations import mutate
from stress.images.samples import Sample, samples

PATIENCE_S: Final = 60
MEMORY: Final = 2 << 30
"""Above what the process begins with: what an image may unpack to, and as much for the machine."""

_MACHINE: Final[dict[str, Any]] = {
    "bios": "none",
    "engine": "interp",
    "memory": 16 << 20,
    "idle": "skip",
    "seed": 1,
}
_USAGE: Final = 2
_INSTRUCTIONS: Final = 2000
_RECORDED: Final = 5
"""One in so many is read from a recording, too."""
_TYPED: Final = 10
"""One in so many is keys."""


@dataclass
class Verdict:
    """What came of some trials: how they ended, and what should not have happened."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    peak: int = 0
    """Bytes of memory, at most."""


class Hang(BaseException):
    """It took too long."""


def prepare() -> None:
    """In a new process: no more memory than is stated, and an end to everything."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (used + MEMORY, used + MEMORY))
    signal.signal(signal.SIGALRM, _hang)


def run(seeds: range) -> Verdict:
    """A trial for each seed."""
    verdict, known = Verdict(), samples()
    with tempfile.TemporaryDirectory(prefix="stress-") as directory:
        for seed in seeds:
            rng = random.Random(seed)
            if rng.randrange(_TYPED):
                _Trial(Path(directory), rng, rng.choice(known), f"seed {seed}", verdict).run()
            else:
                _guarded(f"seed {seed}: keys", verdict, "the monitor", partial(_type, rng))
    verdict.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return verdict


class _Trial:
    def __init__(
        self, directory: Path, rng: random.Random, sample: Sample, name: str, verdict: Verdict
    ) -> None:
        self._directory = directory
        self._sample = sample
        self._verdict = verdict
        self._data, changes = mutate(sample, rng)
        self._name = f"{name}: {sample.name}, {changes}"
        self._recorded = sample.role != "symbols" and not rng.randrange(_RECORDED)
        self._path = directory / "image"

    def run(self) -> None:
        self._path.write_bytes(self._data)
        role, name = self._sample.role, self._sample.name
        if role == "symbols":
            _guarded(self._name, self._verdict, name, lambda: Symbols.read(self._path), (_USAGE,))
            return
        _guarded(self._name, self._verdict, name, self._run, (_USAGE,))
        if self._recorded:
            # What runs is not what was recorded: 3 is as right as 4.
            _guarded(self._name, self._verdict, "from a recording", self._replay, (3, 4))

    def _run(self) -> None:
        api.run(**self._machine(str(self._path)), until=_INSTRUCTIONS)

    def _machine(self, path: str) -> dict[str, Any]:
        machine = dict(_MACHINE)
        if self._sample.role in ("dtb", "initrd"):
            (self._directory / "code").write_bytes(b"\x6f\0\0\0")
            machine |= {"kernel": str(self._directory / "code"), "append": "quiet"}
        return machine | {self._sample.role: path}

    def _replay(self) -> None:
        recording = self._directory / "r"
        recording.unlink(missing_ok=True)
        contents = {}
        images = []
        for role, path in self._machine(str(self._path)).items():
            if role in ("bios", "kernel", "initrd", "dtb") and path != "none":
                data = Path(path).read_bytes()
                sha256 = hashlib.sha256(data).hexdigest()
                contents[sha256] = data
                images.append(Image(role, sha256, len(data)))
        log = LogWriter(recording, Manifest(self._machine("x"), 0, tuple(images)), contents)
        try:
            log.append(log.upto, Entropy("board", bytes(32)))
            log.finish(log.upto, 0.0, "poweroff")
        finally:
            log.close()
        api.replay(recording)


class _Desk:
    """All that a monitor needs of a session."""

    def __init__(self) -> None:
        self.mailbox = Mailbox(lambda: None, Locks(enabled=False, clock=lambda: 0))

    def request(self, power: bytes) -> None:
        """Nothing comes of it."""

    def status(self) -> Status:
        """Of a machine that waits."""
        return Status(1, 1, (0x8000_0000,), True)


_KEYS: Final = (
    *(
        b"\x01c",
        b"\x01h",
        b"\x01\x01",
        b"\x01b",
        b"\x01",
        b"\x1b[A",
        b"\x1b[",
        b"\x1b[999;9~",
        b"\x1b",
    ),
    *(
        b"info\r",
        b"loc\t\r",
        b"sys\t\t",
        b"help\r",
        b"\x03",
        b"\x7f" * 5,
        b"a" * 1500,
        b"\xff\x9b",
        b"\0",
    ),
)


def _type(rng: random.Random) -> None:
    desk, said = _Desk(), [""]
    keys, monitor = EscapeFilter(), Monitor(desk, said.append)  # type: ignore[arg-type]
    monitor.enter()
    for _ in range(rng.randrange(60)):
        typed = rng.choice((rng.choice(_KEYS), rng.randbytes(rng.randrange(12))))
        for part, _ in keys.feed(typed):
            monitor.type(part)
        desk.mailbox.serve()
        assert sum(map(len, said)) < 1 << 20, "it says too much"


def _guarded(
    name: str, verdict: Verdict, what: str, act: Any, statuses: tuple[int, ...] = ()
) -> None:
    """Do it, and note how it ended."""
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_S)
    try:
        act()
        verdict.counts[f"{what}: used"] += 1
    except LockstepError as error:
        verdict.counts[f"{what}: status {error.exit_status}"] += 1
        if error.exit_status not in statuses or not error.message or not error.remedy:
            verdict.failures.append(f"{name}: {what} ends in {error.exit_status}: {error}")
    except Hang:
        verdict.failures.append(f"{name}: {what} hangs")
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        verdict.failures.append(
            f"{name}: {what} raises {error!r} at {where.filename}:{where.lineno}"
        )
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _hang(number: int, frame: FrameType | None) -> None:
    raise Hang
