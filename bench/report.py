"""The results as a table to look at, as one for the documentation, and as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from rich import box
from rich.table import Table
from rich.text import Text

from bench.rows import Row, Verdict

HEADINGS = ("", "lockstep", "against", "", "ratio", "least - most", "net", "target", "")
_RIGHT = {1, 3, 4, 5, 6, 7}
_STYLES = {Verdict.MET: "green", Verdict.UNCLEAR: "yellow", Verdict.MISSED: "bold red"}


class Circumstances(NamedTuple):
    """What the figures depend on beside the two programs."""

    lockstep: str
    qemu: str
    processor: str
    cores: int
    rounds: int
    load: tuple[float, float]
    """Processes that wanted to run, on average of the last minute: before and after."""

    @property
    def disturbed(self) -> bool:
        """Whether others were at work here before we began."""
        return self.load[0] > 0.5

    def caption(self) -> str:
        """All of it in a line."""
        return (
            f"lockstep {self.lockstep} against {self.qemu}; {self.processor}, {self.cores} cores, "
            f"load {self.load[0]:.1f} before and {self.load[1]:.1f} after; "
            f"medians of {self.rounds} rounds"
        )


def processor() -> str:
    """The host's processor by name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def load() -> float:
    """The load of the last minute."""
    return os.getloadavg()[0]


def cells(row: Row) -> list[str]:
    """A row as words, under HEADINGS."""
    write = row.unit.write
    least, most = row.spread
    number = _times if row.theirs else write
    return [
        row.what,
        write(median(row.ours)),
        row.against,
        write(median(row.theirs)) if row.theirs else "",
        _times(row.ratio) if row.ratio is not None else "",
        f"{number(least)} - {number(most)}",
        _times(row.net) if row.net is not None else "",
        row.target.text(row.unit) if row.target else "",
        row.verdict.value,
    ]


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio > 0.095 else f"{ratio:.3f}"


def screen_table(sections: Iterable[Sequence[Row]]) -> Table:
    """For the terminal."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for index, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if index in _RIGHT else "left", no_wrap=True)
    for rows in sections:
        for row in rows:
            *words, mark = cells(row)
            table.add_row(*words, Text(mark, _STYLES.get(row.verdict, "")))
        table.add_section()
    return table


def markdown_table(sections: Iterable[Sequence[Row]]) -> str:
    """For docs/performance.md."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---" * len(HEADINGS) + "|"]
    lines += ["| " + " | ".join(cells(row)) + " |" for rows in sections for row in rows]
    return "\n".join(lines) + "\n"


def as_json(where: Circumstances, sections: Iterable[Sequence[Row]]) -> dict[str, Any]:
    """Everything, for programs."""
    return {**where._asdict(), "rows": [_row(row) for rows in sections for row in rows]}


def _row(row: Row) -> dict[str, Any]:
    return {
        "what": row.what,
        "unit": row.unit.symbol,
        "ours": list(row.ours),
        "against": row.against,
        "theirs": list(row.theirs),
        "ratio": row.ratio,
        "net_ratio": row.net,
        "target": row.target and row.target._asdict(),
        "verdict": row.verdict.value,
    }
