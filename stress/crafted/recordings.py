"""Cases that are recordings: one is altered, put together again, and given to every verb."""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
import stat
import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from lockstep.host.serial import NullSerial
from lockstep.session import api, archive
from lockstep.session.build import replayed
from lockstep.session.console import Console
from lockstep.session.profile import profile
from stress.crafted import sides
from stress.crafted.bounds import Judge, Verdict
from stress.crafted.mutations import alter
from stress.crafted.parts import Parts, read, write

DEMO: Final = str(files("lockstep.ui") / "data" / "demo.elf")
MEMORY: Final = 1 << 30
"""Bytes that a replay may take beside its machine's RAM, as docs/security.md says."""
RAM: Final = 16 << 20
_OWN: Final = frozenset({"out", "tmp"})


def make_samples(directory: Path) -> list[Parts]:
    """Sound recordings, taken apart: packed and not, one and two harts, ended in different ways."""
    machine: dict[str, Any] = {"kernel": DEMO, "bios": "none", "memory": RAM, "idle": "skip"}
    made = []
    for name, options in (
        ("packed", {"typed": b"heads or tails", "digest_every": 50_000, "embed": True, "smp": 2}),
        ("plain", {"digest_every": 0}),
        ("until", {"digest_every": 20_000, "until": 100_000}),
    ):
        api.record(directory / name, **(machine | options))
        made.append(read(directory / name))
    return made


def run(samples: list[Parts], seed: int, verdict: Verdict) -> None:
    """One case."""
    rng = random.Random(seed)
    parts = rng.choice(samples).copy()
    done = alter(parts, rng)
    with tempfile.TemporaryDirectory(prefix="stress-") as directory:
        case = _Case(Path(directory), parts)
        if not case.made():
            verdict.counts["no recording: SQLite or zstd cannot store it"] += 1
            return
        case.use(Judge(verdict, f"seed {seed}: {done}", frozenset({3, 4}), MEMORY + RAM), rng)


def _replay(path: Path) -> None:
    """Once: compiled code that is blamed before a recording takes its time to be compiled anew."""
    with (
        archive.open_log(path) as log,
        replayed(log, Console(NullSerial()), engine="interp") as session,
    ):
        session.run()


class _Case:
    def __init__(self, directory: Path, parts: Parts) -> None:
        self._directory = directory
        self._parts = parts
        self._path = directory / "in" / "r"
        self._victim = directory / "victim"
        for name in ("in", "tmp", "out"):
            (directory / name).mkdir()
        self._victim.write_bytes(b"years of work")

    def made(self) -> bool:
        """Whether there is such a recording."""
        try:
            write(self._parts, self._path)
        except (sqlite3.Error, ValueError, TypeError, OverflowError, UnicodeError, RecursionError):
            return False
        for suffix, content in self._parts.sides.items():
            sides.put(self._path, suffix, content, self._victim)
        return True

    def use(self, judge: Judge, rng: random.Random) -> None:
        """Give it to every verb; those that run the machine have their turn if it seems sound."""
        before, tempfile.tempdir = self._contents(), str(self._directory / "tmp")
        try:
            self._readers(judge, rng)
        finally:
            tempfile.tempdir = None
        if self._contents() != before:
            judge.fail("the files are not what they were")
        if left := os.listdir(self._directory / "tmp"):
            judge.fail(f"left behind: {left}")

    def _readers(self, judge: Judge, rng: random.Random) -> None:
        path, out = self._path, self._directory / "out"
        sound = judge.attempt("check", lambda: archive.check(path))
        calls = self._calls()
        for name in rng.sample(sorted(calls), 2):
            judge.attempt(name, calls[name])
        if rng.random() < (0.6 if sound == 0 else 0.05):
            sound |= judge.attempt("replay", lambda: _replay(path))
            if sound == 0 and rng.random() < 0.1:
                judge.attempt("profile", lambda: profile(path, engine="interp"))
        saved = out / "saved"
        if saved.exists() and rng.random() < 0.1:
            judge.attempt("replay of what was saved", lambda: _replay(saved))

    def _calls(self) -> dict[str, Callable[[], object]]:
        path, out = self._path, self._directory / "out"
        return {
            "info": lambda: archive.info(path),
            "events": lambda: [None for _ in archive.events(path)],
            "recover": lambda: archive.recover(path, out / "saved"),
            "pack": lambda: archive.pack(path, out / "packed"),
        }

    def _contents(self) -> list[tuple[str, int, str]]:
        """Of everything but what was asked for."""
        found = []
        for each in sorted(self._directory.rglob("*")):
            if each.relative_to(self._directory).parts[0] in _OWN:
                continue
            status = each.lstat()
            small = stat.S_ISREG(status.st_mode) and status.st_size < 1 << 30
            content = hashlib.sha256(each.read_bytes()).hexdigest() if small else ""
            found.append((str(each), status.st_mode, content))
        return found
