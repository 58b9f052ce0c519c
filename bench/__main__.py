"""`python -m bench`: measure, print, and write down where asked to."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from bench import report
from bench.child import Failed
from bench.jobs import JOBS, warm_up
from bench.qemu import qemu, version
from bench.race import Tell, Track
from bench.rows import Row
from lockstep import __version__
from lockstep.host.guests import fetch_guests

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "performance.md"
PLACE: Final = re.compile(r"(?<=<!-- make bench -->\n).*?(?=<!-- end -->)", re.DOTALL)
WIDTH: Final = 118


def main() -> int:
    """Measure all that was asked for. 1 if something could not be measured."""
    options = _options()
    progress = Console(stderr=True, highlight=False)
    before = report.load()
    try:
        with progress.status("") as status:
            sections = _measure(options, status.update)
    except Failed as failure:
        progress.print(f"bench: {failure}", style="red", markup=False, soft_wrap=True)
        return 1
    where = report.Circumstances(
        __version__, version(qemu()), report.processor(), os.cpu_count() or 1,
        options.rounds, (before, report.load()),
    )  # fmt: skip
    _publish(options, where, sections)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description="Measure lockstep against QEMU, in turn, in one run."
    )
    parser.add_argument("-n", "--rounds", type=int, default=3, help="of each job (default: 3)")
    parser.add_argument("--only", nargs="+", choices=JOBS, default=list(JOBS), metavar="JOB",
                        help="of " + ", ".join(JOBS))  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--docs", action="store_true", help=f"put the table in {DOCUMENT.name}")
    return parser.parse_args()


def _measure(options: argparse.Namespace, tell: Tell) -> list[list[Row]]:
    guests = fetch_guests(tell)
    tell("looking for the newest QEMU")
    qemu()
    with tempfile.TemporaryDirectory(prefix="lockstep-bench-") as folder:
        track = Track(options.rounds, Path(folder), tell)
        warm_up(track._replace(rounds=1))
        return [list(JOBS[name](track, guests)) for name in options.only]


def _publish(
    options: argparse.Namespace, where: report.Circumstances, sections: Sequence[Sequence[Row]]
) -> None:
    screen = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    screen.print(report.screen_table(sections))
    screen.print(where.caption(), style="dim")
    if where.disturbed:
        screen.print("The host was busy with something else: measure again.", style="bold yellow")
    if options.json is not None:
        options.json.write_text(json.dumps(report.as_json(where, sections), indent=2) + "\n")
    if options.docs:
        made = f"{report.markdown_table(sections)}\n{where.caption()}.\n"
        DOCUMENT.write_text(PLACE.sub(lambda _: made, DOCUMENT.read_text()))


if __name__ == "__main__":
    sys.exit(main())
