"""What was counted in a session, as a table for people.

A name says what it stands for: its beginning, to which group it belongs; its end, in which unit it
is. So names that are not known here are shown, too.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

Stats = Mapping[str, int | float]


class _Group(NamedTuple):
    """A part of the table. All in it are parts of the value called `whole`, if there is one."""

    title: str
    prefixes: tuple[str, ...]
    whole: str = ""


class _Row(NamedTuple):
    words: str
    value: str
    unit: str = ""
    share: str = ""


_GROUPS: Final = (
    _Group("time", ("session_", "run_", "idle_"), "session_ns"),
    _Group("instructions", ("instructions",), "instructions"),
    _Group("runs of the harts", ("runs", "exits_"), "runs"),
    _Group("devices", ("device_",)),
    _Group("compiler", ("compile", "region")),
    _Group("cache", ("cache_",)),
    _Group("others", ("",)),
)
_WORDS: Final = {
    "session_ns": "the session",
    "run_ns": "harts ran",
    "idle_ns": "all harts waited",
    "instructions": "in all",
    "runs": "in all",
    "exits_done": "to the instant asked for",
    "exits_idle": "until all harts waited",
    "exits_stopped": "until another thread came",
    "instructions_in_regions": "in regions",
    "regions_left_short": "left: budget short of a block",
    "regions_left_hard": "left: something for the interpreter",
    "regions_left_near": "left: for other code of the page",
    "regions_left_page": "left: for another page",
    "regions_left_computed": "left: by a computed jump",
    "regions_orders": "orders",
    "regions_in_place": "parts put in place",
    "regions_out_of_date": "parts that came too late",
    "compile_ns": "the compiler worked",
    "compiler_restarts": "the compiler had to be started again",
    "compiled_pages": "pages compiled",
    "compiled_bytes": "code linked",
    "cache_hits": "pages found",
    "cache_misses": "pages not found",
    "cache_products": "compilations that were of use",
    "device_accesses": "register accesses",
}
_UNITS: Final = {"_ns": "s", "_bytes": "bytes"}


def table(stats: Stats) -> str:
    """Every value, in groups."""
    groups = {group.title: list(_rows(group, names, stats)) for group, names in _grouped(stats)}
    rows = [row for each in groups.values() for row in each]
    words, value, unit, share = (
        max(len(getattr(row, field)) for row in rows) for field in _Row._fields
    )
    lines = []
    for title, each in groups.items():
        lines.append(title)
        for row in each:
            line = f"  {row.words:{words}}  {row.value:>{value}} {row.unit:{unit}} "
            lines.append(f"{line}{row.share:>{share}}".rstrip())
    return "\n".join(lines)


def _grouped(stats: Stats) -> Iterator[tuple[_Group, list[str]]]:
    """The groups that have something in them, with the names of it."""
    rest = list(stats)
    for group in _GROUPS:
        names = [name for name in rest if name.startswith(group.prefixes)]
        rest = [name for name in rest if name not in names]
        if names:
            yield group, names


def _rows(group: _Group, names: list[str], stats: Stats) -> Iterator[_Row]:
    whole = stats.get(group.whole, 0)
    for name in names:
        value = stats[name]
        share = f"{value / whole:.1%}" if whole and name != group.whole else ""
        yield _Row(*_measure(name, value), share)
    if group.whole == "instructions" and stats.get("run_ns"):
        yield _Row("a second", f"{whole / stats['run_ns'] * 1e9:,.0f}")


def _measure(name: str, value: float) -> tuple[str, str, str]:
    """In words, the value and its unit."""
    for end, unit in _UNITS.items():
        if name.endswith(end):
            words = _words(name, name.removesuffix(end))
            return words, f"{value / 1e9:,.3f}" if unit == "s" else f"{value:,}", unit
    return _words(name, name), f"{value:,}" if isinstance(value, int) else f"{value:,.3f}", ""


def _words(name: str, stem: str) -> str:
    return _WORDS.get(name, stem.replace("_", " "))
