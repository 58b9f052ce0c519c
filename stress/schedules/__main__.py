"""`python -m stress.schedules SEED...`: play the schedules of some seeds and tell all of it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from stress.campaigns.locks import place_of
from stress.schedules.scenario import play


def main() -> int:
    """1 if something did not hold."""
    failed = False
    with tempfile.TemporaryDirectory() as directory:
        for seed in map(int, sys.argv[1:]):
            schedule = play(seed, Path(directory), place_of(seed))
            failed = failed or schedule.failure is not None
            print(
                f"seed {seed}, {schedule.place}, {schedule.steps:,} steps, "
                f"{' and '.join(schedule.endings)}: {schedule.failure or 'everything held'}"
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
