"""The inquiry into a divergence: run the recording again, find out what is right, and narrow it.

A recording holds digests, not values, so the right values come from a run that passes the digest
at which another failed. That is a plain second run if the first was disturbed, one with all code
compiled anew if the cache is to blame, or one on another engine if the engine is. Without any such
run the recording itself does not fit this version and these images, and all that can be said is in
its codes.
"""

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

import msgspec

from lockstep.det.instant import START, Icount
from lockstep.det.leaves import Difference
from lockstep.errors import BadRecording
from lockstep.machine.difference import differences
from lockstep.machine.machine import Machine
from lockstep.replay.divergence import Place, ReplayDivergence, Report
from lockstep.session.locate.narrow import Parting, narrow
from lockstep.session.locate.rerun import Conditions, Recorded, Run, change_engine, seen
from lockstep.session.symbols import Symbols

Cause = Literal["transient", "cache", "engine", "recording", "unsteady"]

_SAID: Final[dict[Cause, str]] = {
    "transient": "another run passes here, so the recording is right and this run was disturbed",
    "cache": "it passes here with all code compiled anew, so the recording is right and the code "
    "in the cache wrong",
    "engine": "it passes here on the {other} engine, so the recording is right and {engine} wrong",
    "recording": "every run fails alike: the log or the images are not what was recorded, or this "
    "version of lockstep computes something else",
    "unsteady": "every run fails in another way: something of the host leaks into the machine",
}
_REFERENCE_LIMIT: Final = 20_000_000
"""The reference is slow: it is not asked to run more instructions than this."""


_NOT_ASKED: Final = (
    "the reference engine was not asked, which takes too long for so many instructions: record "
    "with --paranoid, and it will be"
)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What an inquiry found out.

    The machine was right at instruction `first` and wrong at `last`. If there is one instruction
    between them, `place` and `instruction` are that one; if there is none, something other than an
    instruction made the difference there. `differences` are by value, from a right run, or empty.
    """

    cause: Cause
    said: str
    first: Icount
    last: Icount
    runs: int
    place: Place | None = None
    instruction: str = ""
    differences: tuple[Difference, ...] = ()

    def text(self) -> str:
        """For people."""
        lines = [
            f"located in {self.runs} runs: {self.said}",
            f"  still right:  at instruction {self.first:_}",
            f"  wrong:        at instruction {self.last:_}",
        ]
        if self.place is not None and self.last > self.first:
            lines.append(f"  in between:   {self.place}  {self.instruction}".rstrip())
        elif self.last == self.first:
            lines.append("  in between:   no instruction: a timer, an arrival or the host")
        lines += [f"  differing:    {each}" for each in self.differences]
        return "\n".join(lines)


class Verdict(NamedTuple):
    """Why a recording does not replay, and what was found out about that; both None if it does."""

    failure: ReplayDivergence | BadRecording | None
    found: Found | None = None


def inquire(recorded: Recorded, suspect: Conditions, symbols: Symbols | None = None) -> Verdict:
    """Replay a recording as `suspect` says; if that fails, find out as much as can be."""
    first = recorded.run(suspect, symbols=symbols)
    if not isinstance(first.failure, ReplayDivergence):
        return Verdict(first.failure)
    case = _Case(recorded, suspect, first.machine, first.failure.report)
    return Verdict(first.failure, _with_symbol(case.solve(), symbols))


class _Case:
    """One divergence, the machine as it was then, and how the run was run."""

    def __init__(
        self,
        recorded: Recorded,
        suspect: Conditions,
        machine: Machine,
        report: Report,
    ) -> None:
        self._recorded = recorded
        self._suspect = suspect
        self._engine = machine.config.engine
        self._machine = machine
        self._report = report
        self._agreed = START if report.agreed is None else report.agreed

    def solve(self) -> Found:
        """Find a run that is right, and where the wrong one parts from it."""
        plain = Conditions(self._suspect.engine)
        second = self._up_to_there(plain)
        if second.failure is None:
            return self._against(plain, second.machine)
        if second.cached:
            plain = plain._replace(afresh=True)  # whatever follows
            if self._up_to_there(plain).failure is None:
                return self._found("cache")
        if not self._same(second):
            return self._found("unsteady")
        for engine in self._other_engines():
            other = plain._replace(acts={self._agreed: [change_engine(engine)]})
            if self._up_to_there(other).failure is None:
                return self._parted("engine", other, plain, engine)
        found = self._found("recording")
        if self._engine == "reference" or not self._takes_too_long():
            return found
        return msgspec.structs.replace(found, said=f"{found.said}; {_NOT_ASKED}")

    def _up_to_there(self, conditions: Conditions) -> Run:
        """Run to the very place of the divergence, and no further if it can be passed."""
        report = self._report
        if report.kind == "digest":
            return self._recorded.run(conditions, at_checkpoint=(report.checkpoint, report.at))
        return self._recorded.run(conditions, until=Icount(report.at + 1))

    def _same(self, run: Run) -> bool:
        """Whether a run fails as the first one did."""
        if not isinstance(run.failure, ReplayDivergence):
            return False
        other, mine = run.failure.report, self._report
        return (other.at, other.expected, other.actual) == (mine.at, mine.expected, mine.actual)

    def _against(self, right: Conditions, good: Machine) -> Found:
        """A plain run is right. Have the failure again, to narrow it; or else compare the two."""
        if self._suspect.acts and self._same(self._up_to_there(self._suspect)):
            return self._parted("transient", right, self._suspect)
        if self._report.kind != "digest":  # the good one went on, and the other stopped half-way
            good = self._recorded.run(right, {self._report.at: [seen]}).machine
        return self._found("transient", differences=tuple(differences(good, self._machine)))

    def _other_engines(self) -> Iterator[str]:
        """Those to be asked from the last instant at which everything was right, first the one that
        has least in common with the suspect."""
        if self._engine != "reference" and not self._takes_too_long():
            yield "reference"
        if self._engine != "interp":
            yield "interp"

    def _takes_too_long(self) -> bool:
        """For the reference."""
        return self._report.at - self._agreed > _REFERENCE_LIMIT

    def _parted(self, cause: Cause, right: Conditions, wrong: Conditions, other: str = "") -> Found:
        parting = narrow(self._recorded, right, wrong, self._agreed, self._report.at)
        if parting.last == parting.first and self._report.kind != "digest":
            # The states are still the same, but the instruction there asks or says another thing.
            parting = parting._replace(last=Icount(parting.first + 1))
        return self._found(cause, parting, other=other)

    def _found(
        self,
        cause: Cause,
        parting: Parting | None = None,
        differences: tuple[Difference, ...] = (),
        other: str = "",
    ) -> Found:
        said = _SAID[cause].format(engine=self._engine, other=other)
        runs = self._recorded.runs
        if parting is None:
            first, last = self._agreed, self._report.at
            return Found(
                cause=cause, said=said, first=first, last=last, runs=runs, differences=differences
            )
        return Found(
            cause=cause,
            said=said,
            first=parting.first,
            last=parting.last,
            runs=runs,
            place=Place(parting.hart, hex(parting.pc)),
            instruction=parting.instruction,
            differences=parting.differences,
        )


def _with_symbol(found: Found, symbols: Symbols | None) -> Found:
    if symbols is None or found.place is None:
        return found
    symbol = symbols.name(int(found.place.pc, 16))
    place = msgspec.structs.replace(found.place, symbol=symbol)
    return msgspec.structs.replace(found, place=place)
