"""What recording costs: Debian boots under `record` and under `run`, one right after the other."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

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

ENOUGH: Final = 10
"""Fewer pairs than that say nothing about time: then Debian is only recorded, to weigh its log."""

_ORDERS: Final = (Machine.RECORD, Machine.RUN), (Machine.RUN, Machine.RECORD)


class _Pair(NamedTuple):
    """Both boots, one right after the other, so that a slow minute of the host slows both."""

    record: Sample
    run: Sample
    log_bytes: int


def run(count: int) -> Result:
    """So many pairs. Every other one begins with `run`: who goes first may find the host warmer."""
    guest = debian(fetch_guests(print))
    with tempfile.TemporaryDirectory(prefix="stress-") as folder:
        track = Track(1, Path(folder), print)
        if count < ENOUGH:
            return _result(count, [_weigh(track, guest) for _ in range(count)], [])
        _pair(track, guest, _ORDERS[0])  # fills the caches, and does not count
        pairs = [_pair(track, guest, _ORDERS[n % 2]) for n in range(count)]
    return _result(count, [each.log_bytes for each in pairs], pairs)


def _pair(track: Track, guest: Guest, order: Sequence[Machine]) -> _Pair:
    times: dict[Machine, Sample] = {machine: track.run(guest, machine, {}) for machine in order}
    return _Pair(times[Machine.RECORD], times[Machine.RUN], _log_bytes(track, guest))


def _weigh(track: Track, guest: Guest) -> int:
    track.run(guest, Machine.RECORD, {})
    return _log_bytes(track, guest)


def _log_bytes(track: Track, guest: Guest) -> int:
    size: int = api.info(Machine.RECORD.log(guest, track.folder))["log_bytes"]
    return size


def _result(count: int, sizes: Sequence[int], pairs: Sequence[_Pair]) -> Result:
    wall = [each.record.wall_s / each.run.wall_s for each in pairs]
    failures = list(_failures(sizes, wall))
    rows = [("log without images, largest", f"{max(sizes):,} bytes")]
    if pairs:
        cpu = [each.record.cpu_s / each.run.cpu_s for each in pairs]
        rows += [
            ("record / run, wall clock, median of pairs", _spread(wall)),
            ("record / run, processor time, median of pairs", _spread(cpu)),
            ("record, median", f"{statistics.median(p.record.wall_s for p in pairs):.2f} s"),
            ("run, median", f"{statistics.median(p.run.wall_s for p in pairs):.2f} s"),
        ]
    return Result(count, failures, rows)


def _failures(sizes: Sequence[int], ratios: Sequence[float]) -> Iterator[str]:
    for size in sizes:
        if size > MOST_LOG_BYTES:
            yield f"a log of {size:,} bytes"
    if ratios and statistics.median(ratios) > MOST_OVERHEAD:
        yield f"record takes {statistics.median(ratios):.4f} times as long as run, in the median"


def _spread(ratios: Sequence[float]) -> str:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return (
        f"{middle:.3f} (half of them from {low:.3f} to {high:.3f}, all from {min(ratios):.3f} "
        f"to {max(ratios):.3f})"
    )
