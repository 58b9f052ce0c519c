"""The dice of a campaign: other ones every time, and the same again with LOCKSTEP_SEED."""

from __future__ import annotations

import os
import random


def first_seed() -> int:
    """Where the seeds of a campaign begin."""
    given = os.environ.get("LOCKSTEP_SEED")
    return random.randrange(1 << 32) if given is None else int(given)


def row(first: int) -> tuple[str, str]:
    """What to report of it."""
    return ("the same again", f"LOCKSTEP_SEED={first}")
