"""Narrowing: two ways to run a recording, one right and one wrong, down to where they part.

Both are run again with digests at a hundred instants of the interval, then at a hundred instants of
the hundredth in which they part, until that is one instruction.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from lockstep.det.instant import Icount
from lockstep.det.leaves import Difference
from lockstep.machine.difference import differences
from lockstep.machine.machine import Machine
from lockstep.session.locate.glance import instruction
from lockstep.session.locate.rerun import Conditions, Recorded, seen
from lockstep.session.probe import Act, Seen

_STOPS: Final = 100


class Parting(NamedTuple):
    """The two are the same at `first` and not at `last`, with the instruction of a hart in between;
    or, if that is the same instant, they part between two instructions."""

    first: Icount
    last: Icount
    hart: int
    pc: int
    instruction: str
    differences: tuple[Difference, ...]


def narrow(
    recorded: Recorded, right: Conditions, wrong: Conditions, first: Icount, last: Icount
) -> Parting:
    """Where they part. They are the same at `first`, and one is wrong at `last`."""
    while last - first > 1:
        first, last = _closer(recorded, right, wrong, first, last)
    return _look(recorded, right, wrong, first, last)


def _closer(
    recorded: Recorded, right: Conditions, wrong: Conditions, first: Icount, last: Icount
) -> tuple[Icount, Icount]:
    """A hundredth of the interval, or nothing of it if they are still the same at its end."""
    stops = _spread(first, last)
    totals: dict[Icount, bytes] = {}
    agreed = [first]

    def keep(at: Icount, machine: Machine) -> None:
        totals[at] = machine.digests().total()

    def check(at: Icount, machine: Machine) -> None:
        if totals.get(at) != machine.digests().total():
            raise Seen
        agreed.append(at)

    _visit(recorded, right, stops, keep)
    _visit(recorded, wrong, stops, check)
    return agreed[-1], next((at for at in stops if at > agreed[-1]), last)


def _spread(first: Icount, last: Icount) -> Sequence[Icount]:
    """Instants after `first`, the latest of them `last`."""
    parts = min(_STOPS, last - first)
    return [Icount(first + (last - first) * n // parts) for n in range(1, parts + 1)]


def _visit(
    recorded: Recorded,
    conditions: Conditions,
    stops: Sequence[Icount],
    visit: Callable[[Icount, Machine], None],
) -> None:
    acts: dict[Icount, list[Act]] = {at: [partial(visit, at)] for at in stops}
    acts[stops[-1]].append(seen)
    recorded.run(conditions, acts)


def _look(
    recorded: Recorded, right: Conditions, wrong: Conditions, first: Icount, last: Icount
) -> Parting:
    pictures: list[_Picture] = []

    def draw(machine: Machine) -> None:
        pictures.append(_Picture(machine))

    acts: dict[Icount, list[Act]] = {first: [draw], last: [draw]}
    good = recorded.run(right, {**acts, last: [*acts[last], seen]})
    bad = recorded.run(wrong, {last: [seen]})
    hart = pictures[0].ran_until(pictures[-1])
    return Parting(
        first,
        last,
        hart,
        pictures[0].fields[hart]["pc"],
        pictures[0].instructions[hart],
        tuple(differences(good.machine, bad.machine)),
    )


class _Picture:
    """All harts at an instant, and what each will run next."""

    def __init__(self, machine: Machine) -> None:
        harts = range(machine.config.harts)
        self.turn = machine.cpu.turn[0]
        self.fields: list[Mapping[str, int]] = [machine.cpu.hart_fields(h) for h in harts]
        self.instructions = [instruction(machine, h) for h in harts]

    def ran_until(self, later: "_Picture") -> int:
        """The hart that ran in between; the one whose turn it is if none did."""
        pairs = enumerate(zip(self.fields, later.fields, strict=True))
        ran = [h for h, (one, other) in pairs if one["attempted"] != other["attempted"]]
        return ran[0] if ran else self.turn
