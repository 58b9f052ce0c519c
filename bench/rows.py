"""One line of the result: a series of ours, perhaps one to compare with, perhaps a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from statistics import median
from typing import NamedTuple


class Unit(Enum):
    """What a series is measured in, and how it is written."""

    SECONDS = "s", lambda x: f"{x:.2f} s"
    MICROSECONDS = "us", lambda x: f"{x:.2f} µs"
    BYTES = "bytes", lambda x: f"{x / 1000:,.1f} KB"

    def __init__(self, symbol: str, write: Callable[[float], str]) -> None:
        self.symbol = symbol
        self.write = write


class Verdict(Enum):
    """What became of a target, as the table says it."""

    NONE = ""
    MET = "met"
    UNCLEAR = "noise"
    MISSED = "missed"


class Target(NamedTuple):
    """What is to be reached: at most so much, of the ratio or of our own figure."""

    most: float
    of_ratio: bool

    def text(self, unit: Unit) -> str:
        """As it stands in the table."""
        return f"≤ {self.most:g}" if self.of_ratio else f"≤ {unit.write(self.most)}"


def ratio_to(most: float) -> Target:
    """At most `most` times the other's."""
    return Target(most, of_ratio=True)


def at_most(most: float) -> Target:
    """At most `most` of the unit."""
    return Target(most, of_ratio=False)


class Row(NamedTuple):
    """Our figures, round by round, and those of `against` from the same rounds."""

    what: str
    ours: Sequence[float]
    against: str = ""
    theirs: Sequence[float] = ()
    target: Target | None = None
    unit: Unit = Unit.SECONDS
    net: float | None = None
    """The ratio without what the same machines take to start and end an empty guest."""

    @property
    def ratio(self) -> float | None:
        """The ratio of the medians."""
        return median(self.ours) / median(self.theirs) if self.theirs else None

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the largest, of the ratios within a round or else of our figures."""
        of = [a / b for a, b in zip(self.ours, self.theirs, strict=True)] if self.theirs else None
        return min(of or self.ours), max(of or self.ours)

    @property
    def verdict(self) -> Verdict:
        """Whether the target is reached, by the medians; a miss that some round met is no miss."""
        if self.target is None:
            return Verdict.NONE
        value = self.ratio if self.target.of_ratio else median(self.ours)
        assert value is not None, "a target of a ratio without one"
        if value <= self.target.most:
            return Verdict.MET
        return Verdict.UNCLEAR if self.spread[0] <= self.target.most else Verdict.MISSED
