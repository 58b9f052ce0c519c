"""What a replay says when the machine does not do what the log says it did."""

from typing import Any, Literal

import msgspec

from lockstep.det.instant import Icount
from lockstep.det.leaves import Difference
from lockstep.errors import Divergence

Kind = Literal["digest", "output", "event", "end", "stall"]
"""What did not fit: the machine's state, what it said, what it did when, its end, or it hangs."""


class Nearby(msgspec.Struct, frozen=True):
    """An event near a divergence; `done` if the replay got past it."""

    at: Icount
    done: bool
    event: str

    def __str__(self) -> str:
        return f"{'done' if self.done else 'next'} {self.at:_}: {self.event}"


class Place(msgspec.Struct, frozen=True):
    """Where a hart was. `symbol` as in "schedule+0x12", if symbols were given."""

    hart: int
    pc: str
    symbol: str = ""

    def __str__(self) -> str:
        return f"hart {self.hart} at pc {self.pc}{f' <{self.symbol}>' if self.symbol else ''}"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was seen, what was expected, what came, what differs, and what is known besides.

    `agreed` is the instant of the last digest that matched, `checkpoint` the reason of the one that
    did not, `altered` the range of a log that is not what was recorded. `afresh`: this is what came
    the second time, with all code compiled anew.
    """

    kind: Kind
    at: Icount
    expected: str
    actual: str
    checkpoint: str = ""
    agreed: Icount | None = None
    differences: tuple[Difference, ...] = ()
    around: tuple[Nearby, ...] = ()
    altered: tuple[Icount, Icount] | None = None
    afresh: bool = False
    harts: tuple[Place, ...] = ()

    def text(self) -> str:
        """For people."""
        lines = [
            f"the replay diverged at instruction {self.at:_}",
            f"  the log says: {self.expected}",
            f"  the machine:  {self.actual}",
        ]
        if whole := [each.part for each in self.differences if not each.where]:
            lines.append(f"  differing:    {', '.join(whole)}")
        lines += [f"  differing:    {each}" for each in self.differences if each.where]
        lines += [f"  running:      {each}" for each in self.harts]
        if self.agreed is not None:
            lines.append(f"  last agreed:  at instruction {self.agreed:_} (every digest matched)")
        if self.afresh:
            lines.append("  tried again:  this is with code compiled anew, none from the cache")
        if self.altered is not None:
            first, last = self.altered
            lines.append(
                f"  the log itself was altered: its events from instruction {first:_} to {last:_} "
                f"are not the ones that were recorded"
            )
        if self.around:
            lines.append("  events around it:")
            lines += [f"    {each}" for each in self.around]
        return "\n".join(lines)

    def remedy(self) -> str:
        """What to do about it."""
        if self.altered is not None:
            return "Get the recording again from where it was made."
        if self.agreed is not None and self.agreed < self.at:
            return (
                f"Determinism leaked between instructions {self.agreed:_} and {self.at:_}. "
                f"`lockstep verify --locate REC` looks for the very instruction; `lockstep events "
                f"REC --from {self.agreed} --to {self.at}` lists what was logged there."
            )
        return (
            "Check that the same lockstep and the same images are used (`lockstep info REC`); if "
            "they are, this is a bug of lockstep: please report it with the recording."
        )


class ReplayDivergence(Divergence):
    """A report as an error."""

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(report.text(), remedy=report.remedy())

    def amend(self, **known: Any) -> None:
        """More has become known."""
        self.report = msgspec.structs.replace(self.report, **known)
        self.message, self.remedy = self.report.text(), self.report.remedy()

    def __str__(self) -> str:
        return self.message

    @property
    def at(self) -> Icount:
        """The instant at which it was seen."""
        return self.report.at

    @property
    def agreed(self) -> Icount | None:
        """The instant of the last digest that matched."""
        return self.report.agreed

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the machine that differ."""
        return tuple(dict.fromkeys(each.part for each in self.report.differences))
