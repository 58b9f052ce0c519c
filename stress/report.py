"""docs/reliability.md: the claims, how often each was tried, and what came of it.

What a campaign came to is kept in build/stress, so that one can be run again without the others,
and an interruption costs no more than the campaign it falls into.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from lockstep import __version__
from stress.result import Result

_ROOT: Final = Path(__file__).parents[1]
DOCUMENT: Final = _ROOT / "docs" / "reliability.md"
KEPT: Final = _ROOT / "build" / "stress"
_SHOWN: Final = 20


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _code() -> str:
    described = subprocess.run(
        ["git", "-C", _ROOT, "describe", "--always", "--dirty=, altered"],
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    return described.stdout.strip() or "unknown"


def _machine() -> str:
    return (
        f"{os.cpu_count()} x {_processor()}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"lockstep {__version__}"
    )


@dataclass
class Entry:
    """A campaign that was run."""

    name: str
    claim: str
    result: Result
    seconds: float
    when: str = field(default_factory=_now)
    machine: str = field(default_factory=_machine)
    code: str = field(default_factory=_code)
    """The commit."""


def keep(entry: Entry, folder: Path = KEPT) -> None:
    """Remember it until the campaign is run again."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{entry.name}.json").write_bytes(msgspec.json.encode(asdict(entry)))


def kept(name: str, folder: Path = KEPT) -> Entry | None:
    """What the campaign came to when it was last run; None if it was not, or is another one now."""
    try:
        return msgspec.json.decode((folder / f"{name}.json").read_bytes(), type=Entry)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def text(entries: Sequence[Entry]) -> str:
    """The whole page."""
    return "\n".join(_lines(entries)) + "\n"


def _lines(entries: Sequence[Entry]) -> Iterator[str]:
    yield "# Reliability\n"
    yield "<!-- Written by `make stress`. -->"
    yield "What lockstep promises, tried until it breaks. `make stress` runs all of it and writes"
    yield "this page, `make test` runs a sample; `stress/campaigns` has a module for every row, and"
    yield '`make stress STRESS_FLAGS="--only NAME"` runs one of them again.\n'
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
    yield f"{entry.when}, commit {entry.code}, {entry.machine}\n"
    if entry.result.rows:
        yield "| | |\n|---|---|"
        yield from (f"| {name} | {value} |" for name, value in entry.result.rows)
    else:
        yield f"{entry.result.count:,} tried."
    if entry.result.failures:
        yield "\n```text"
        yield from entry.result.failures[:_SHOWN]
        yield "```"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
