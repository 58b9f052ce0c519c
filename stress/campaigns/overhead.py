"""What recording costs: Debian boots under `record` and under `run`, one right after the other."""

from __future__ import annotations

import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.child import Sample
from bench.jobs import MOST_LOG_BYTES, MOST_OVERHEAD, debian
from bench.machines import Guest, Machine
from bench.race import Track
from lockstep.host.guests import fetch_guests
from lockstep.session import api
from stress.result import Result

CLAIM: Final = (
    f"recording Debian's boot takes at most {MOST_OVERHEAD - 1:.0%} longer than running it, and "
    f"its log at most {MOST_LOG_BYTES / 1e3:g} KB"
)
FULL: Final = 20
SAMPLE: Final = 1

_MOST: Final = 5
"""So many times the pairs are tried, as long as the limit is within what the median may be."""

_MOST_WARMING: Final = 40

ENOUGH: Final = 10
"""Fewer pairs than that say nothing about time: then Debian is only recorded, to weigh its log."""

_ORDERS: Final = (Machine.RECORD, Machine.RUN), (Machine.RUN, Machine.RECORD)

_QUIET: Final = 0.25
"""Processors that the rest of the host may use while a pair counts as undisturbed."""


class _Pair(NamedTuple):
    """Both boots, one right after the other, so that a slow minute of the host slows both.

    `others`: how many processors the rest of the host used meanwhile.
    """

    record: Sample
    run: Sample
    log_bytes: int
    others: float

    @property
    def wall(self) -> float:
        return self.record.wall_s / self.run.wall_s

    @property
    def cpu(self) -> float:
        return self.record.cpu_s / self.run.cpu_s


def run(count: int) -> Result:
    """So many pairs. Every other one begins with `run`: who goes first may find the host warmer."""
    guest = debian(fetch_guests(print))
    with tempfile.TemporaryDirectory(prefix="stress-") as folder:
        track = Track(1, Path(folder), print)
        if count < ENOUGH:
            return _result(count, [_weigh(track, guest) for _ in range(count)], [])
        _warm(track, guest)
        pairs: list[_Pair] = []
        while len(pairs) < count or (_in_doubt(pairs) and len(pairs) < _MOST * count):
            pairs.append(_pair(track, guest, _ORDERS[len(pairs) % 2]))
    return _result(len(pairs), [each.log_bytes for each in pairs], pairs)


def _warm(track: Track, guest: Guest) -> None:
    """Boot until nothing is compiled any more: a compiler beside it makes each boot another."""
    for _ in range(_MOST_WARMING):
        track.run(guest, Machine.RECORD, {})
        if not _info(track, guest)["stats"]["compiled_pages"]:
            return


def _pair(track: Track, guest: Guest, order: Sequence[Machine]) -> _Pair:
    busy_s = _busy_s()
    times: dict[Machine, Sample] = {machine: track.run(guest, machine, {}) for machine in order}
    busy_s = _busy_s() - busy_s - sum(each.cpu_s for each in times.values())
    others = busy_s / sum(each.wall_s for each in times.values())
    return _Pair(times[Machine.RECORD], times[Machine.RUN], _log_bytes(track, guest), others)


def _busy_s() -> float:
    """Seconds that all processors together have worked since the host started."""
    user, nice, system, _, _, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def _weigh(track: Track, guest: Guest) -> int:
    track.run(guest, Machine.RECORD, {})
    return _log_bytes(track, guest)


def _log_bytes(track: Track, guest: Guest) -> int:
    size: int = _info(track, guest)["log_bytes"]
    return size


def _info(track: Track, guest: Guest) -> dict[str, Any]:
    return api.info(Machine.RECORD.log(guest, track.folder))


def _result(count: int, sizes: Sequence[int], pairs: Sequence[_Pair]) -> Result:
    failures = [f"a log of {size:,} bytes" for size in sizes if size > MOST_LOG_BYTES]
    rows = [("log without images, largest", f"{max(sizes):,} bytes")]
    if pairs:
        judged, ratios = _evidence(pairs)
        middle, (low, high) = statistics.median(ratios), median_bounds(ratios)
        if middle > MOST_OVERHEAD:
            failures.append(f"record takes {middle:.4f} times as long as run, by the {judged}")
        rows += [
            *_rows(pairs),
            ("judged by the median of the", judged),
            ("that median, 19 times in 20", f"{low:.3f} to {high:.3f}"),
        ]
    return Result(count, failures, rows)


def _in_doubt(pairs: Sequence[_Pair]) -> bool:
    low, high = median_bounds(_evidence(pairs)[1])
    return low <= MOST_OVERHEAD <= high


def median_bounds(ratios: Sequence[float]) -> tuple[float, float]:
    """What the median of all such pairs lies between, 19 times in 20; by the order of these."""
    ordered, count = sorted(ratios), len(ratios)
    outside = max(0, int((count - 1.96 * count**0.5) / 2))
    return ordered[outside], ordered[-1 - outside]


def _evidence(pairs: Sequence[_Pair]) -> tuple[str, list[float]]:
    """The wall clock, if it tells of lockstep and not of who else wanted the processors."""
    quiet = [each for each in pairs if each.others < _QUIET]
    if len(quiet) >= ENOUGH:
        return "wall clock of the pairs that nothing disturbed", [each.wall for each in quiet]
    return "processor time, as the host was busy with other things", [each.cpu for each in pairs]


def _rows(pairs: Sequence[_Pair]) -> Iterator[tuple[str, str]]:
    quiet = [each.wall for each in pairs if each.others < _QUIET]
    others = statistics.median(each.others for each in pairs)
    yield "record / run, processor time, median", _spread([each.cpu for each in pairs])
    yield "record / run, wall clock, median", _spread([each.wall for each in pairs])
    yield "pairs that nothing disturbed", f"{len(quiet)} of {len(pairs)}"
    if len(quiet) > 1:
        yield "record / run, wall clock of those, median", _spread(quiet)
    yield "processors that the rest of the host used, median", f"{others:.2f}"
    yield "record, median", f"{statistics.median(each.record.wall_s for each in pairs):.2f} s"
    yield "run, median", f"{statistics.median(each.run.wall_s for each in pairs):.2f} s"


def _spread(ratios: Sequence[float]) -> str:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return (
        f"{middle:.3f} (half of them from {low:.3f} to {high:.3f}, all from {min(ratios):.3f} "
        f"to {max(ratios):.3f})"
    )
