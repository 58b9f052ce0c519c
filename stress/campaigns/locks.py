"""The locks: sessions bothered by a crowd, in schedules made from seeds."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

from stress.dice import first_seed, row
from stress.result import Result
from stress.schedules.scenario import STAGE, STREET, Schedule, play
from stress.schedules.street import SPEED

CLAIM = "No schedule of threads, requests, buttons, signals and delays deadlocks or starves anyone"
FULL = 1_000
SAMPLE = 40

_IN_THE_STREET: Final = 10
"""Every so many-th is played with real threads; the others on a stage, where it repeats exactly."""

_MOST_AHEAD: Final = 1
"""Two threads take the locks, so nobody may find more than one before it."""

_LONGEST_WAIT_S: Final = 5.0


def run(count: int) -> Result:
    """`python -m stress.schedules SEED` repeats the schedule of a seed, and tells all of it."""
    first = first_seed()
    seeds = range(first, first + count)
    spawn = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as directory,
        ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool,
    ):
        played = list(pool.map(_play, seeds, [Path(directory)] * count, chunksize=5))
    for each in played:
        if each.failure is not None:
            print(f"seed {each.seed}: {each.failure}", file=sys.stderr)
    failures = [wrong for each in played if (wrong := _wrong(each))]
    return Result(count, failures, [*_rows(played), row(first)])


def place_of(seed: int) -> str:
    """Where the schedule of a seed is played."""
    return STAGE if seed % _IN_THE_STREET else STREET


def _play(seed: int, directory: Path) -> Schedule:
    return play(seed, directory, place_of(seed))


def _wrong(schedule: Schedule) -> str | None:
    """What was wrong, in a line."""
    where = f"seed {schedule.seed}"
    if schedule.failure is not None:
        return f"{where}: {schedule.failure.strip().splitlines()[0]}"
    if schedule.most_ahead > _MOST_AHEAD:
        return f"{where}: {schedule.most_ahead} were ahead of a thread that waited for a lock"
    if schedule.place == STREET and _host_s(schedule) > _LONGEST_WAIT_S:
        return f"{where}: a thread waited {_host_s(schedule):.1f} s for a lock"
    return None


def _host_s(schedule: Schedule) -> float:
    return schedule.longest_ns / SPEED / 1e9


def _rows(played: Sequence[Schedule]) -> list[tuple[str, str]]:
    stage = [each for each in played if each.place == STAGE]
    street = [each for each in played if each.place == STREET]
    endings = Counter(ending for each in played for ending in each.endings)
    return [
        ("on a stage (one step at a time)", f"{len(stage):,}"),
        ("scheduling decisions there", f"{sum(each.steps for each in stage):,}"),
        ("with real threads and delays", f"{len(street):,}"),
        ("waits for a lock", f"{sum(each.waits for each in played):,}"),
        ("most threads ahead of one that waits", f"{max(e.most_ahead for e in played)}"),
        (
            "longest wait with real threads",
            f"{max((_host_s(each) for each in street), default=0.0) * 1e3:.1f} ms",
        ),
        ("requests answered", f"{sum(each.answers for each in played):,}"),
        ("sessions, by what ended them", ", ".join(f"{k} {n}" for k, n in endings.most_common())),
    ]
