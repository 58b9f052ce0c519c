"""Images, device trees, symbols and keys made wrong on purpose: a clear error, or they are used."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Final

from stress.dice import first_seed, row
from stress.images import trial
from stress.result import Result

CLAIM: Final = (
    "a wrong ELF file, Image, zboot, gzip, zstd, device tree, symbol table or key gives a clear "
    "error of the right class, or is used: never a traceback, a hang or unbounded memory"
)
FULL: Final = 10_000
_BATCH: Final = 50


def run(count: int) -> Result:
    """Make so many, and give each to what reads such files, live and from a recording."""
    first = first_seed()
    batches = [
        range(at, min(at + _BATCH, first + count)) for at in range(first, first + count, _BATCH)
    ]
    counts: Counter[str] = Counter()
    failures: list[str] = []
    peak = 0
    with ProcessPoolExecutor(
        os.cpu_count(),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=trial.prepare,
    ) as pool:
        jobs = [(batch, pool.submit(trial.run, batch)) for batch in batches]
        for batch, job in jobs:
            try:
                verdict = job.result(timeout=_BATCH * trial.PATIENCE_S)
            except (BrokenProcessPool, TimeoutError, MemoryError) as error:
                failures.append(f"seeds {batch.start} to {batch.stop}: {error!r}")
                continue
            counts += verdict.counts
            failures += verdict.failures
            peak = max(peak, verdict.peak)
    rows = [(name, f"{n:,}") for name, n in sorted(counts.items())]
    return Result(count, failures, [*rows, ("memory, at most", f"{peak:,} bytes"), row(first)])
