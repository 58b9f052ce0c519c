"""System calls that fail in turn: the first of a kind, the second, and so on, until none does."""

from __future__ import annotations

import errno
import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

from stress.dice import first_seed, row
from stress.result import Result
from stress.syscalls.cases import CASES, Room, contents, is_killed, wrong
from stress.syscalls.driver import Fault
from stress.syscalls.kinds import KINDS
from stress.syscalls.workshop import Done, Driver, furnish, room

CLAIM: Final = (
    "whichever system call of record, replay, verify, pack or recover fails, and however, it is "
    "got over or ends with status 6 and a remedy; no recording is lost, and nothing is left behind "
    "that is not named (without memory LLVM and Python may end the process: then as if killed)"
)
FULL: Final = 100_000
"""More than there are: all of them are tried."""
SAMPLE: Final = 60


class _Trial(NamedTuple):
    case: str
    fault: Fault
    last: bool
    """Whether it should not be hit: but if it is, the next one is tried."""


@dataclass
class _Findings:
    """What came of the trials so far."""

    tried: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


class Bench:
    """The rooms of the cases, and what is known of them."""

    def __init__(self, directory: Path) -> None:
        self.base = directory / "base"
        self.base.mkdir()
        self.modules = furnish(self.base)
        self.rooms = {name: directory / name.replace(" ", "-") for name in CASES}
        self.consoles: dict[str, bytes] = {}
        self.known: dict[bytes, Done] = {}

    def open(self) -> list[_Trial]:
        """Furnish all rooms, and count what there is to fail in each."""
        trials: list[_Trial] = []
        with Driver(self.modules) as driver:
            for name, case in CASES.items():
                with room(self.base) as copy:
                    case.before(driver, copy)
                    copy.rename(self.rooms[name])
                    copy.mkdir()
            for console, where in (("new", "replay"), ("old", "record over another")):
                self.consoles[console] = driver.run(self.rooms[where], "replay", "r").out
            self.consoles["killed"] = driver.run(self.rooms["recover"], "replay", "r").out
            for name in CASES:
                trials += self._count(driver, name)
        return trials

    def attempt(self, driver: Driver, name: str, fault: Fault) -> tuple[Done, list[str]]:
        """One trial: what it did, and what is wrong with that."""
        case = CASES[name]
        with room(self.rooms[name]) as copy:
            before = contents(copy)
            done = driver.run(copy, *case.argv, fault=fault, watched=True)
            seen = Room(copy, driver, done, self.consoles, self.known)
            return done, list(wrong(seen, case, before))

    def _count(self, driver: Driver, name: str) -> Iterator[_Trial]:
        with room(self.rooms[name]) as copy:
            counts = driver.run(copy, *CASES[name].argv, watched=True).ended.counts
        for kind, each in KINDS.items():
            total = counts.get(kind, 0)
            for error in each.errors:
                for at in range(1, total + 2):
                    yield _Trial(name, Fault(kind, error, at), last=at > total)


def run(count: int) -> Result:
    """Let every call fail in every way, or so many of them, drawn by lot."""
    first = first_seed()
    findings = _Findings()
    with tempfile.TemporaryDirectory(prefix="stress-") as directory:
        bench = Bench(Path(directory))
        trials = bench.open()
        dice = random.Random(first)
        chosen = dice.sample(trials, count) if count < len(trials) else trials
        dice.shuffle(chosen)  # or both workers would be busy with what takes longest in the end
        queue: SimpleQueue[_Trial] = SimpleQueue()
        for each in chosen:
            queue.put(each)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            workers = [
                pool.submit(_work, bench, queue, findings) for _ in range(os.cpu_count() or 1)
            ]
            for worker in workers:
                worker.result()
    rows = [(name, f"{n:,}") for name, n in sorted(findings.counts.items())]
    return Result(findings.tried, findings.failures, [*rows, row(first)])


def _work(bench: Bench, queue: SimpleQueue[_Trial], findings: _Findings) -> None:
    with Driver(bench.modules) as driver:
        while True:
            try:
                trial = queue.get_nowait()
            except Empty:
                return
            _try(bench, driver, trial, findings)


def _try(bench: Bench, driver: Driver, trial: _Trial, findings: _Findings) -> None:
    """Try it, and those that come after the last one that was expected."""
    fault = trial.fault
    while True:
        done, flaws = bench.attempt(driver, trial.case, fault)
        findings.tried += 1
        findings.counts[f"{trial.case}: {_outcome(done)}"] += 1
        for flaw in flaws:
            findings.failures.append(f"{trial.case}, {_say(fault)} ({done.ended.hit}): {flaw}")
        if not (trial.last and done.ended.hit):
            return
        fault = Fault(fault.kind, fault.error, fault.at + 1)


def _outcome(done: Done) -> str:
    if not done.ended.hit:
        return "no such call"
    if is_killed(done):
        return "no memory, which ends Python or LLVM"
    return "got over" if done.ended.status == 0 else f"status {done.ended.status}"


def _say(fault: Fault) -> str:
    return f"{fault.kind} {fault.at} {errno.errorcode[fault.error]}"
