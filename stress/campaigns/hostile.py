"""Hostile guests: random instructions, registers, page tables and devices, on every engine."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from stress.dice import first_seed, row
from stress.hostile import trial
from stress.result import Result

CLAIM: Final = (
    "Whatever a guest does, on 1 to 8 harts, with page tables and devices: engines agree at every "
    "digest, the replay is the recording, and nothing crashes or hangs"
)
FULL: Final = 2_000
_BATCH: Final = 20


def run(count: int) -> Result:
    """Make so many guests; record each on one engine, and replay it on the others."""
    first = first_seed()
    batches = [
        range(at, min(at + _BATCH, first + count)) for at in range(first, first + count, _BATCH)
    ]
    counts: Counter[str] = Counter()
    failures: list[str] = []
    with ProcessPoolExecutor(
        os.cpu_count(), mp_context=multiprocessing.get_context("spawn")
    ) as pool:
        jobs = [(batch, pool.submit(trial.run, batch)) for batch in batches]
        for batch, job in jobs:
            try:
                verdict = job.result(timeout=_BATCH * trial.PATIENCE_S)
            except (BrokenProcessPool, TimeoutError) as error:
                failures.append(f"seeds {batch.start} to {batch.stop - 1}: {error!r}")
                continue
            counts += verdict.counts
            failures += verdict.failures
    rows = [(name, f"{n:,}") for name, n in sorted(counts.items())]
    return Result(count, failures, [*rows, row(first)])
