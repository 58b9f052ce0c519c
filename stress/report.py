"""docs/reliability.md: the claims, how often each was tried, and what came of it."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from lockstep import __version__
from stress.result import Result

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "reliability.md"
_SHOWN: Final = 20


@dataclass
class Entry:
    """A campaign that was run."""

    name: str
    claim: str
    result: Result
    seconds: float


def text(entries: Sequence[Entry]) -> str:
    """The whole page."""
    return "\n".join(_lines(entries)) + "\n"


def _lines(entries: Sequence[Entry]) -> Iterator[str]:
    yield "# Reliability\n"
    yield "<!-- Written by `make stress`. -->"
    yield "What lockstep promises, tried until it breaks. `make stress` runs all of it and writes"
    yield "this page, `make test` runs a sample; `stress/campaigns` has a module for every row.\n"
    yield f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {_machine()}\n"
    yield "| campaign | claim | tried | broken | time |\n|---|---|---:|---:|---:|"
    for each in entries:
        yield (
            f"| [{each.name}](#{each.name}) | {each.claim} | {each.result.count:,} "
            f"| {len(each.result.failures):,} | {each.seconds:,.0f} s |"
        )
    for each in entries:
        yield from _section(each)


def _section(entry: Entry) -> Iterator[str]:
    yield f"\n## {entry.name}\n"
    if entry.result.rows:
        yield "| | |\n|---|---|"
        yield from (f"| {name} | {value} |" for name, value in entry.result.rows)
    else:
        yield f"{entry.result.count:,} tried."
    if entry.result.failures:
        yield "\n```text"
        yield from entry.result.failures[:_SHOWN]
        yield "```"


def _machine() -> str:
    return (
        f"{os.cpu_count()} x {_processor()}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"lockstep {__version__}"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
