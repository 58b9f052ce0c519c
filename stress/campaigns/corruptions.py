"""Recordings damaged at random: a clear error or a correct replay, and nothing else."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Final

from stress.damage import trial
from stress.damage.samples import make_samples
from stress.dice import first_seed, row
from stress.result import Result

CLAIM: Final = (
    "a damaged recording gives a clear error or a correct replay: never a traceback, a hang, "
    "unbounded memory or a changed file"
)
FULL: Final = 2000
_BATCH: Final = 20


def run(count: int) -> Result:
    """Damage so many recordings, and have each read by everything that reads recordings."""
    first = first_seed()
    batches = [
        range(at, min(at + _BATCH, first + count)) for at in range(first, first + count, _BATCH)
    ]
    counts: Counter[str] = Counter()
    failures: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="stress-") as directory,
        ProcessPoolExecutor(
            os.cpu_count(),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=trial.prepare,
        ) as pool,
    ):
        samples = make_samples(Path(directory))
        jobs = [(batch, pool.submit(trial.run, samples, batch)) for batch in batches]
        for batch, job in jobs:
            try:
                verdict = job.result(timeout=_BATCH * 5 * trial.PATIENCE_S)
            except (BrokenProcessPool, TimeoutError, MemoryError) as error:
                failures.append(f"seeds {batch.start} to {batch.stop}: {error!r}")
                continue
            counts += verdict.counts
            failures += verdict.failures
    rows = [(name, f"{n:,}") for name, n in sorted(counts.items())]
    return Result(count, failures, [*rows, row(first)])
