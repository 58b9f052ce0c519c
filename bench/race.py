"""Runs guests on machines in turn, so that what disturbs the host disturbs all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.child import Failed, Sample, timed
from bench.machines import Guest, Machine

Tell = Callable[[str], None]
"""Hears what is being done."""


class Laps(dict[Machine, list[Sample]]):
    """The samples of every machine, by round."""

    def wall(self, machine: Machine) -> list[float]:
        """Seconds from the start of the process to its end."""
        return [sample.wall_s for sample in self[machine]]

    def first(self, machine: Machine) -> list[float]:
        """Seconds until the guest said something."""
        return [sample.first_s for sample in self[machine]]

    def cpu(self, machine: Machine) -> list[float]:
        """Seconds of processor time."""
        return [sample.cpu_s for sample in self[machine]]

    def typical(self, machine: Machine) -> float:
        """The median of `wall`."""
        return median(self.wall(machine))


class Track(NamedTuple):
    """Where the races are: how many rounds, a folder for recordings, and who hears of progress."""

    rounds: int
    folder: Path
    tell: Tell

    def race(
        self,
        guest: Guest,
        *machines: Machine,
        environment: Callable[[], dict[str, str]] = dict,
        after: Callable[[], None] = lambda: None,
    ) -> Laps:
        """All machines run `guest` in turn, `rounds` times; `after` is called after each round."""
        laps = Laps({machine: [] for machine in machines})
        for number, machine in self._order(machines):
            self.tell(f"{guest.name}, round {number} of {self.rounds}: {machine.title}")
            laps[machine].append(self.run(guest, machine, environment()))
            if machine is machines[-1]:
                after()
        return laps

    def warm(self, guest: Guest) -> None:
        """A run that does not count: afterwards all that we compile for the guest is kept."""
        self.tell(f"{guest.name}: warming up")
        self.run(guest, Machine.RECORD, {})

    def _order(self, machines: Iterable[Machine]) -> list[tuple[int, Machine]]:
        return [(number, m) for number in range(1, self.rounds + 1) for m in machines]

    def run(self, guest: Guest, machine: Machine, environment: dict[str, str]) -> Sample:
        """One run, which counts only if the guest did its work."""
        command = machine.command(guest, self.folder)
        sample = timed(command, environment)
        if not guest.done(sample.output):
            said = sample.output.decode(errors="replace")
            raise Failed(f"{guest.name} did not do its work: {' '.join(command)}\n{said[-2000:]}")
        return sample
