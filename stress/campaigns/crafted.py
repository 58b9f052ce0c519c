"""Input made by a stranger who knows the format: signed, and wrong inside."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Final

from stress.crafted import recordings
from stress.crafted.bounds import Verdict
from stress.crafted.parts import Parts
from stress.dice import first_seed, row
from stress.result import Result

CLAIM: Final = (
    "a crafted recording, with right checksums, gives a clear error, a divergence or a replay: "
    "never a traceback, a hang, more memory than is stated, or a file that is not what it was"
)
FULL: Final = 10_000
_BATCH: Final = 20
_PATIENCE_S: Final = 1200


def run(count: int) -> Result:
    """Make so many recordings, and give each to every verb."""
    first = first_seed()
    batches = [
        range(at, min(at + _BATCH, first + count)) for at in range(first, first + count, _BATCH)
    ]
    counts: Counter[str] = Counter()
    failures: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="stress-") as directory,
        ProcessPoolExecutor(
            os.cpu_count(), mp_context=multiprocessing.get_context("spawn")
        ) as pool,
    ):
        samples = recordings.make_samples(Path(directory))
        jobs = [(batch, pool.submit(_trials, samples, batch)) for batch in batches]
        for batch, job in jobs:
            try:
                verdict = job.result(timeout=_PATIENCE_S)
            except (BrokenProcessPool, TimeoutError, MemoryError) as error:
                failures.append(f"seeds {batch.start} to {batch.stop}: {error!r}")
                continue
            counts += verdict.counts
            failures += verdict.failures
    rows = [(name, f"{n:,}") for name, n in sorted(counts.items())]
    return Result(count, failures, [*rows, row(first)])


def _trials(samples: list[Parts], seeds: range) -> Verdict:
    verdict = Verdict()
    for seed in seeds:
        recordings.run(samples, seed, verdict)
    return verdict
