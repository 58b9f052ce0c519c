"""Where the guest's instructions went: a recording is replayed, and looked at once in a while.

Time is instructions here, and so is the rate: of every so many, one is chosen, and stands for
all of them. Which one is arithmetic on their number alone, so a recording has one profile, on every
engine and every host. What is noted is where the hart that ran it stands then, at its next
instruction. Waiting takes no instructions, and so no share.

Rejected: to look where native slices end. They end for timers, too, and not in every engine alike.
To look at multiples of a number: what has a rhythm would be seen at the same beat every time, such
as the turns of the harts. Of five that have 20,000 each, multiples of 50,000 would see two only.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from lockstep.det.instant import START, Icount
from lockstep.det.state import Digests
from lockstep.errors import UsageError
from lockstep.host.serial import NullSerial
from lockstep.session.archive import open_log
from lockstep.session.blame import replay_fairly
from lockstep.session.build import replayed
from lockstep.session.console import Console
from lockstep.session.imagesearch import Given
from lockstep.session.outcome import TO_THE_END, Outcome, Until
from lockstep.session.probe import Probe
from lockstep.session.regions import Code
from lockstep.session.symbols import Symbols

EVERY: Final = 50_000
"""Instructions that one sample stands for. To stop for it costs the host about 30 us, so a replay
takes a third longer."""

_MODES: Final = {0: "U", 1: "S", 3: "M"}
_PAGE: Final = 4096
_GOLDEN: Final = 0x9E37_79B9_7F4A_7C15  # 2**64 by the golden ratio: its multiples lie everywhere


class Stratum(NamedTuple):
    """Some instructions in a row, which end at `end`, and the instant at which to look."""

    at: Icount
    end: Icount
    size: int


class Spot(NamedTuple):
    """Where a hart stood, and at which privilege."""

    hart: int
    mode: str
    pc: int


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of a function at one privilege; of a page of code, if `symbol` is empty.

    `address` is its first. `harts` has the instructions of each hart.
    """

    symbol: str
    address: str
    mode: str
    samples: int
    instructions: int
    harts: tuple[int, ...]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The functions, most first, among whom the instructions from `first` to `last` are divided."""

    first: Icount
    last: Icount
    every: int
    samples: int
    functions: tuple[Function, ...]
    outcome: Outcome

    @property
    def instructions(self) -> int:
        """All of them, which is what the functions' come to."""
        return self.last - self.first


def strata(first: Icount, last: Icount, every: int) -> Iterator[Stratum]:
    """The instructions from `first` to `last`, by `every` of them; the last are what is left."""
    for number, start in enumerate(range(first, last, every), 1):
        size = min(every, last - start)
        offset = (number * _GOLDEN % (1 << 64)) * size >> 64
        yield Stratum(Icount(start + 1 + offset), Icount(start + size), size)


class Sampler(Probe):
    """A probe that notes in every stratum where the hart stands whose turn it is."""

    def __init__(self, plan: Iterator[Stratum]) -> None:
        super().__init__({})
        self.samples: Counter[Spot] = Counter()
        self.instructions: Counter[Spot] = Counter()
        self._plan = plan
        self._next = next(plan, None)
        self._latest: tuple[Spot, Stratum] | None = None

    def horizon(self, now: Icount) -> Icount:
        """No further than the next sample."""
        inner = super().horizon(now)
        return inner if self._next is None else min(inner, self._next.at)

    def checkpoint(self, kind: str, now: Icount, digests: Callable[[], Digests]) -> None:
        """Let the world inside check it, then look if it is time. A machine that is switched off
        comes to no periodic checkpoint any more, but to a last one."""
        super().checkpoint(kind, now, digests)
        if self._next is not None and now >= self._next.at:
            self._note(self._next)
            self._next = next(self._plan, None)

    def _note(self, stratum: Stratum) -> None:
        number, _ = self.machine.cpu.turn
        hart = self.machine.cpu.harts[number]
        spot = Spot(number, _MODES[hart.priv], hart.pc)
        self.samples[spot] += 1
        self.instructions[spot] += stratum.size
        self._latest = spot, stratum

    def settle(self, reached: Icount) -> None:
        """The machine got no further: what was not run to its end is not counted."""
        if self._latest is not None and self._latest[1].end > reached:
            spot, stratum = self._latest
            self.samples[spot] -= 1
            self.instructions[spot] -= stratum.size


def profile(
    recording: Path,
    symbols: Symbols | None = None,
    *,
    first: int = START,
    last: int | None = None,
    every: int = EVERY,
    engine: str | None = None,
    images: Given | None = None,
    tell: Callable[[Icount, int], None] | None = None,
) -> Profile:
    """Replay a recording, to `last` or its end, and profile it from `first` on.

    `every`: how many instructions a sample stands for. 1 misses none, and takes its time. `tell` is
    told the instant and the host's time now and then.
    """
    with open_log(recording) as log:
        end = log.end()
        upto = end if last is None else Icount(min(last, end))
        if first >= upto:
            raise UsageError(
                f"there are no instructions from {first:,} to {upto:,} to profile",
                remedy=f"the recording has {end:,}: ask for some of them",
            )
        samplers: list[Sampler] = []

        def attempt(code: Code) -> Outcome:
            samplers[:] = [Sampler(strata(Icount(first), upto, every))]
            with replayed(
                log,
                Console(NullSerial()),
                until=Until(upto) if upto < end else TO_THE_END,
                engine=engine,
                progress=tell,
                probe=samplers[0],
                symbols=symbols,
                images=images,
                code=code,
            ) as session:
                return session.run()

        outcome = replay_fairly(log, attempt)
    (sampler,) = samplers
    sampler.settle(Icount(outcome.instructions))
    return _profile(sampler, Icount(first), every, outcome, symbols)


def _profile(
    sampler: Sampler, first: Icount, every: int, outcome: Outcome, symbols: Symbols | None
) -> Profile:
    return Profile(
        first=first,
        last=Icount(first + sampler.instructions.total()),
        every=every,
        samples=sampler.samples.total(),
        functions=tuple(_functions(sampler, symbols)),
        outcome=outcome,
    )


def _functions(sampler: Sampler, symbols: Symbols | None) -> list[Function]:
    groups: dict[tuple[int, str, str], list[Spot]] = {}
    for spot, samples in sampler.samples.items():
        if samples:
            groups.setdefault((*_function(spot.pc, symbols), spot.mode), []).append(spot)
    harts = len(sampler.machine.cpu.harts)
    # Where there are as many of two, the lower address comes first.
    found = [_count(sampler, key, groups[key], harts) for key in sorted(groups)]
    return sorted(found, key=lambda each: -each.instructions)


def _function(pc: int, symbols: Symbols | None) -> tuple[int, str]:
    """Where it begins, and its name; where none is known, its page's begin."""
    named = symbols.function(pc) if symbols else None
    return named or (pc // _PAGE * _PAGE, "")


def _count(sampler: Sampler, key: tuple[int, str, str], spots: list[Spot], harts: int) -> Function:
    address, symbol, mode = key
    by_hart = [0] * harts
    for spot in spots:
        by_hart[spot.hart] += sampler.instructions[spot]
    return Function(
        symbol=symbol,
        address=hex(address),
        mode=mode,
        samples=sum(sampler.samples[spot] for spot in spots),
        instructions=sum(by_hart),
        harts=tuple(by_hart),
    )
