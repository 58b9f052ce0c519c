"""Recordings of an active guest, killed at random instants."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from lockstep.errors import BadRecording
from lockstep.session.archive import info, open_log
from stress.dice import first_seed, row
from stress.recording import Recording, first_beat, last_beat
from stress.result import Result

CLAIM: Final = (
    "a recording killed by SIGKILL replays to its last committed instant, and no more than a "
    "second of it is lost"
)
FULL: Final = 200
MOST_LOST_S: Final = 1.0
_WAYS: Final = ("running", "running", "running", "running", "starting", "finishing")


@dataclass
class _Killed:
    """What came of one. `begun`: there was something to replay."""

    how: str
    failure: str = ""
    lost_s: float | None = None
    begun: bool = True


def run(count: int) -> Result:
    """Record and kill until there are so many to replay; those killed too early come on top."""
    killed: list[_Killed] = []
    first = first_seed()
    dice = random.Random(first)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        while missing := count - sum(each.begun for each in killed):
            seeds = [dice.randrange(1 << 32) for _ in range(missing)]
            killed += pool.map(_kill_one, seeds)
    lost = sorted(each.lost_s for each in killed if each.lost_s is not None)
    rows = [(how, f"{n:,}") for how, n in sorted(Counter(each.how for each in killed).items())]
    if lost:
        rows += [
            ("lost tail, median", f"{median(lost) * 1e3:.0f} ms of host time"),
            ("lost tail, maximum", f"{lost[-1] * 1e3:.0f} ms of host time"),
        ]
    return Result(count, [each.failure for each in killed if each.failure], [*rows, row(first)])


def _kill_one(seed: int) -> _Killed:
    rng = random.Random(seed)
    way = rng.choice(_WAYS)
    with tempfile.TemporaryDirectory(prefix="stress-") as directory:
        path = Path(directory) / "r"
        options = ("--smp", rng.randint(1, 3), "--digest-every", rng.choice((0, 10**6, 10**8)))
        with Recording(path, *options, "--idle", rng.choice(("real", "skip"))) as recording:
            if way == "starting":
                time.sleep(rng.uniform(0.2, 1.0))
            else:
                recording.wait_for_a_beat()
                time.sleep(rng.uniform(0.0, 2.5))
            if way == "finishing":
                recording.interrupt()
                time.sleep(rng.uniform(0.0, 0.15))
            recording.kill()
            console = recording.console()
        try:
            killed = _look(path, way, console)
        except Exception as error:
            killed = _Killed(way, f"{error!r}")
    if killed.failure:
        killed.failure = f"seed {seed}, killed while {way}: {killed.failure}"
    return killed


def _look(path: Path, way: str, console: bytes) -> _Killed:
    if not path.exists():
        return _Killed("besides: killed before there was a file", begun=False)
    try:
        facts = info(path)
    except BadRecording as error:
        failure = "" if not console and "killed as it began" in error.message else error.message
        return _Killed(
            "besides: killed before the machine began, which is said", failure, begun=bool(failure)
        )
    with open_log(path) as log:
        expected = b"".join(log.transcript("serial0"))
    done = subprocess.run(
        [sys.executable, "-m", "lockstep", "replay", str(path)],
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    how = f"killed while {way}, {'complete' if facts['complete'] else 'cut'}, and replayed"
    if done.returncode != 0 or f"{facts['instructions']:,}" not in done.stderr.decode():
        return _Killed(how, f"replay ends with {done.returncode}: {done.stderr.decode()[-500:]}")
    if done.stdout != expected:
        return _Killed(how, "the replay's console is not the transcript")
    if not console.startswith(done.stdout) and not done.stdout.startswith(console):
        return _Killed(how, "the replay's console is not the recording's")
    if way != "running":
        return _Killed(how)
    kept_ns = last_beat(done.stdout) or first_beat(console)
    lost_s = max(0, last_beat(console) - kept_ns) / 1e9
    return _Killed(how, "" if lost_s <= MOST_LOST_S else f"{lost_s:.2f} s are lost", lost_s)
