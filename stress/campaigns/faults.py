"""Injected faults: flipped bits while a recording replays, and altered logs. None may pass."""

from __future__ import annotations

import multiprocessing
import os
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final, NamedTuple

from lockstep.session import api
from stress.dice import first_seed, row
from stress.faults.trial import KINDS, Kind, Subject, Told, attempt
from stress.result import Result

CLAIM = "An injected fault is reported, at its instruction and by its name; none passes unseen"
FULL = 300
SAMPLE = 20

_PATIENCE_S: Final = 120
"""A fault that takes longer hangs. The slowest takes a few seconds."""

_RIGHT: Final = 0.95
_SHOWN: Final = 5
_DIGEST_EVERY: Final = 5_000
_INTERRUPTED: Final = Path(__file__).parents[2] / "guests" / "build" / "irq.elf"


class _Subjects(NamedTuple):
    """Both guests. Only one of them has much of a log."""

    lottery: Subject
    interrupted: Subject

    def draw(self, kind: Kind, rng: random.Random) -> Subject:
        """One that has what this kind of fault spoils."""
        if kind in ("log", "sealed log") or rng.random() < 0.67:
            return self.lottery
        return self.interrupted


class _Timed(NamedTuple):
    told: Told
    seconds: float


def run(count: int) -> Result:
    """As many faults as that which left a trace; those that did not are counted besides."""
    first = first_seed()
    seeds = random.Random(first)
    with tempfile.TemporaryDirectory() as directory:
        tried = list(_inject(_record(Path(directory)), count, seeds))
    result = _result(count, tried)
    result.rows.append(row(first))
    return result


def _record(directory: Path) -> _Subjects:
    """The demo, which talks to everything, and a guest that is interrupted all the time."""
    lottery, interrupted = directory / "lottery", directory / "interrupted"
    machine: dict[str, Any] = {"bios": "none", "memory": 16 << 20, "digest_every": _DIGEST_EVERY}
    with as_file(files("lockstep.ui") / "data" / "demo.elf") as guest:
        typed = b"heads or tails"
        api.record(lottery, kernel=str(guest), smp=2, typed=typed, embed=True, **machine)
    api.record(interrupted, kernel=str(_INTERRUPTED), **machine)
    return _Subjects(Subject(lottery), Subject(interrupted, reach=0.25))


def _inject(subjects: _Subjects, count: int, seeds: random.Random) -> Iterator[_Timed]:
    kinds = [KINDS[n % len(KINDS)] for n in range(count)]
    while kinds:
        done = _batch(subjects, kinds, seeds)
        yield from done
        # Whatever vanished without a trace is tried again, as another fault.
        kinds = [each.told.kind for each in done if each.told.hidden]


def _batch(subjects: _Subjects, kinds: Sequence[Kind], seeds: random.Random) -> list[_Timed]:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool:
        jobs = [(kind, subjects.draw(kind, seeds), seeds.getrandbits(32)) for kind in kinds]
        running = [(job, pool.submit(_timed, *job)) for job in jobs]
        done = []
        for (kind, _, seed), each in running:
            try:
                done.append(each.result(_PATIENCE_S))
            except TimeoutError:
                for process in pool._processes.values():
                    process.kill()
                return [*done, _Timed(Told(kind, f"seed {seed}", -1, said="it hangs"), _PATIENCE_S)]
        return done


def _timed(kind: Kind, subject: Subject, seed: int) -> _Timed:
    began = time.monotonic()
    told = attempt(kind, subject, seed)
    return _Timed(told, time.monotonic() - began)


def _result(count: int, tried: Sequence[_Timed]) -> Result:
    told = [each.told for each in tried if not each.told.hidden]
    failures = [f"{each.kind}: {each.fault}: {_wrong(each)}" for each in told if _wrong(each)]
    right = [each for each in told if each.interval and each.part]
    wrong = [each for each in told if each not in right]
    if len(right) < _RIGHT * len(told):
        failures += [f"{each.kind}: {each.fault}: located wrongly: {each.said}" for each in wrong]
    statuses = Counter(each.status for each in told)
    rows = [
        ("faults that left a trace", f"{len(told):,}"),
        ("reported with status 3 (divergence)", f"{statuses[3]:,}"),
        ("reported with status 4 (altered log)", f"{statuses[4]:,}"),
        ("passed unseen", f"{statuses[0]:,}"),
        ("hung", f"{statuses[-1]:,}"),
        ("interval and part right", f"{len(right):,} ({len(right) / max(1, len(told)):.1%})"),
        ("overwritten before any digest, never read", f"{len(tried) - len(told):,}"),
        ("time to locate, median", f"{statistics.median(t.seconds for t in tried):.2f} s"),
    ]
    for kind in KINDS:
        mine = [each for each in told if each.kind == kind]
        good = sum(each in right for each in mine)
        rows.append((f"{kind}: right", f"{good:,} of {len(mine):,}"))
    rows += [(f"located wrongly: {each.kind}", each.fault) for each in wrong[:_SHOWN]]
    return Result(count, failures, rows)


def _wrong(told: Told) -> str:
    if told.status == 0:
        return "passed unseen"
    return "" if told.status in (3, 4) else f"status {told.status}: {told.said}"
