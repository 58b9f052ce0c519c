"""Host noise: one recording of a guest full of interrupts, replayed while the host is disturbed."""

from __future__ import annotations

import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from lockstep.errors import LockstepError
from lockstep.host.serial import NullSerial
from lockstep.session import api
from lockstep.session.archive import open_log
from lockstep.session.build import live, replayed
from lockstep.session.config import MachineConfig
from lockstep.session.console import Console
from lockstep.session.loop import Session
from stress.dice import first_seed, row
from stress.result import Result

CLAIM: Final = "A replay comes out the same whatever else the host does: load, nice, stop requests"
FULL: Final = 1_000
SAMPLE: Final = 20

_DIGEST_EVERY: Final = 5_000
_MOST_NICE: Final = 19
_SPIN: Final = "x = bytearray(1 << 22)\nwhile True: x.count(b'1')"


class _Replayed(NamedTuple):
    """How a replay ended. `stops` is how often somebody stopped it on the way."""

    end: str
    failure: str | None
    stops: int
    seconds: float


class _Stopper:
    """Stops the machine and asks questions, at instants that nobody can foresee."""

    def __init__(self, session: Session, rng: random.Random) -> None:
        self._session = session
        self._rng = rng
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._stop)
        self.stops = 0

    def __enter__(self) -> _Stopper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _stop(self) -> None:
        longest_s = self._rng.choice((0.0002, 0.002, 0.02))
        while not self._over.wait(self._rng.uniform(0, longest_s)):
            self.stops += 1
            if self._rng.random() < 0.2:
                self._session.mailbox.leave(lambda: None)
            else:
                self._session._cpu.request_stop()


def run(count: int) -> Result:
    """Every replay compares every digest; and all must end in the same one."""
    first = first_seed()
    seeds = range(first, first + count)
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="stress-") as directory:
        recording = Path(directory) / "irq"
        _record(recording)
        digests = sum(each["kind"] == "checkpoint" for each in api.events(recording))
        with _load(), ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool:
            done = list(pool.map(_replay, [recording] * count, seeds, chunksize=5))
    return Result(count, list(_failures(seeds, done)), [*_rows(done, digests), row(first)])


def _record(recording: Path) -> None:
    """All of the guest: some hundred interrupts, of every kind, on two harts."""
    kernel = Path(__file__).parents[2] / "guests" / "build" / "irq.elf"
    config = MachineConfig(kernel=str(kernel), bios="none", memory=16 << 20, smp=2, shift=7)
    console = Console(NullSerial())
    with (
        live(
            config,
            console,
            recording=recording,
            digest_every=_DIGEST_EVERY,
            embed=True,
            pace="none",
        ) as made,
        _Stopper(made, random.Random(1)),
    ):
        made.run()


@contextmanager
def _load() -> Iterator[None]:
    """Every core has something else to do, at a nice that keeps changing."""
    over = threading.Event()
    spin = [sys.executable, "-c", _SPIN]
    spinners = [subprocess.Popen(spin) for _ in range(os.cpu_count() or 1)]

    def annoy() -> None:
        while not over.wait(0.05):
            for each in spinners:
                _renice(each.pid, random.randrange(_MOST_NICE))

    annoyer = threading.Thread(target=annoy)
    annoyer.start()
    try:
        yield
    finally:
        over.set()
        annoyer.join()
        for each in spinners:
            each.kill()
            each.wait()


def _renice(pid: int, nice: int) -> None:
    with suppress(OSError):  # only root may take it back
        os.setpriority(os.PRIO_PROCESS, pid, nice)


def _replay(recording: Path, seed: int) -> _Replayed:
    rng = random.Random(seed)
    _renice(0, rng.randrange(_MOST_NICE))
    sys.setswitchinterval(rng.choice((0.00001, 0.0005, 0.005)))
    began = time.monotonic()
    try:
        with (
            open_log(recording) as log,
            replayed(log, Console(NullSerial())) as session,
            _Stopper(session, rng) as stopper,
        ):
            outcome = session.run()
            total = session._machine.digests().total().hex()
    except LockstepError as error:
        return _Replayed("", f"seed {seed}: {str(error).splitlines()[0]}", 0, 0.0)
    seconds = time.monotonic() - began
    return _Replayed(f"{outcome.instructions} {total}", None, stopper.stops, seconds)


def _failures(seeds: Sequence[int], done: Sequence[_Replayed]) -> Iterator[str]:
    expected = next((each.end for each in done if each.failure is None), "")
    for seed, each in zip(seeds, done, strict=True):
        if each.failure is not None:
            yield each.failure
        elif each.end != expected:
            yield f"seed {seed}: ended as {each.end}, another one as {expected}"


def _rows(done: Sequence[_Replayed], digests: int) -> list[tuple[str, str]]:
    seconds = [each.seconds for each in done]
    return [
        ("checkpoints compared in each", f"{digests:,}"),
        ("ends of all of them", f"{len({each.end for each in done})}"),
        ("stops and requests on the way", f"{sum(each.stops for each in done):,}"),
        ("duration, median", f"{statistics.median(seconds):.2f} s"),
        ("duration, longest", f"{max(seconds):.2f} s"),
    ]
