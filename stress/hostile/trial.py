"""One hostile guest: recorded on one engine, replayed on all, in a process of its own."""

from __future__ import annotations

import random
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from lockstep.session import api
from stress.hostile.moods import moody
from stress.hostile.program import MEMORY, write

ENGINES: Final = ("auto", "interp", "reference")
PATIENCE_S: Final = 60
INSTRUCTIONS: Final = 4_000


@dataclass
class Verdict:
    """What came of some guests: how they ended, and what should not have happened."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def run(seeds: Iterable[int]) -> Verdict:
    """Each of these guests."""
    verdict = Verdict()
    with tempfile.TemporaryDirectory(prefix="hostile-") as directory:
        for seed in seeds:
            try:
                with moody(seed):
                    _try(seed, Path(directory), verdict)
            except Exception as error:  # whatever it is, no guest may bring it about
                last = traceback.extract_tb(error.__traceback__)[-1]
                verdict.failures.append(f"seed {seed}: {error!r} at {last.name}:{last.lineno}")
    return verdict


def _try(seed: int, directory: Path, verdict: Verdict) -> None:
    rng = random.Random(seed)
    image, recording = directory / f"{seed}.bin", directory / f"{seed}.lockstep"
    image.write_bytes(write(seed))
    engine = rng.choice(ENGINES)
    made = api.record(
        recording, engine=engine, digest_every=rng.choice((100, 500, 1_000)),
        typed=rng.randbytes(rng.choice((0, 1, 40))), until=INSTRUCTIONS, timeout=PATIENCE_S,
        embed=True, **machine(rng, image),
    )  # fmt: skip
    outcome = made.outcome
    verdict.counts[f"ended: {outcome.reason}"] += 1
    verdict.counts["instructions"] += outcome.instructions
    verdict.counts["device accesses"] += api.info(recording)["stats"]["device_accesses"]
    if outcome.reason == "timeout":
        verdict.failures.append(f"seed {seed}: it hangs after {outcome.instructions} instructions")
    others = [each for each in ENGINES if each != engine or rng.random() < 0.25]
    for other in others:
        again = api.replay(recording, engine=other)
        if (again.outcome, again.console) != (outcome, made.console):
            verdict.failures.append(f"seed {seed}: {engine} {outcome}, {other} {again.outcome}")
    recording.unlink()
    image.unlink()


def machine(rng: random.Random, image: Path) -> dict[str, Any]:
    """What it runs on."""
    return {
        "kernel": str(image),
        "bios": "none",
        "memory": MEMORY,
        "smp": rng.choice((1, 1, 2, 2, 3, 4, 5, 6, 7, 8)),
        "quantum": rng.choice((1, 7, 100, 1_000)),
        "shift": rng.choice((0, 2, 7, 10)),
        "svade": rng.random() < 0.2,
        "idle": "skip",
        "seed": rng.getrandbits(32),
    }
