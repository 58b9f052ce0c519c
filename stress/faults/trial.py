"""One injected fault and what lockstep said about it. Runs in a worker process."""

from __future__ import annotations

import random
import tempfile
from functools import cache
from pathlib import Path
from typing import Final, Literal, NamedTuple

from lockstep.det.instant import START, Icount
from lockstep.errors import LockstepError
from lockstep.machine.machine import Machine
from lockstep.replay.chain import AlteredLog
from lockstep.replay.divergence import ReplayDivergence
from lockstep.replay.log import LogReader
from lockstep.session.locate.inquiry import Verdict, inquire
from lockstep.session.locate.rerun import Conditions, Recorded
from stress.faults.flips import Flip, device_flip, memory_flip, register_flip
from stress.faults.logs import Alteration, alter
from stress.faults.tamper import tamper

Kind = Literal["register", "device", "memory", "log", "sealed log"]
KINDS: Final[tuple[Kind, ...]] = ("register", "device", "memory", "log", "sealed log")


class Told(NamedTuple):
    """What came of a fault. `status` as the command's, 0 if nothing was noticed; `hidden`: it was
    gone again before the next digest, without a trace."""

    kind: Kind
    fault: str
    status: int
    interval: bool = False
    part: bool = False
    hidden: bool = False
    said: str = ""


class Subject(NamedTuple):
    """A recording to inject faults into, and how much of it: a long one would take its time."""

    recording: Path
    reach: float = 1.0


def attempt(kind: Kind, subject: Subject, seed: int) -> Told:
    """Inject the fault that `seed` stands for."""
    rng = random.Random(f"{kind} {seed}")
    recording = subject.recording
    try:
        if kind in ("log", "sealed log"):
            return _alter(kind, rng, recording)
        return _flip(kind, rng, recording, subject.reach)
    except LockstepError as error:
        return Told(kind, f"seed {seed}", error.exit_status, said=str(error))


def _flip(kind: Kind, rng: random.Random, recording: Path, reach: float) -> Told:
    end, harts = _facts(recording)
    at = Icount(rng.randrange(1, int(end * reach)))
    flip = _draw(kind, rng, harts, recording)
    seen: list[bool] = []

    def act(machine: Machine) -> None:
        before = machine.digests().total()
        flip.apply(machine)
        seen.append(machine.digests().total() != before)

    verdict = inquire(Recorded(recording), Conditions(acts={at: [act]}))
    fault = f"{flip.part} {flip.where} at instruction {at:_}"
    if verdict.failure is None:
        # Every later digest is that of the recording: the bit was overwritten, and never read.
        return Told(kind, fault, 0, hidden=seen == [True])
    found = verdict.found
    status = verdict.failure.exit_status
    if found is None:
        return Told(kind, fault, status, said=_said(verdict))
    interval = found.first == at - 1 and found.last == at
    part = [(each.part, each.where) for each in found.differences] == [(flip.part, flip.where)]
    return Told(kind, fault, status, interval, part, said=_said(verdict))


def _draw(kind: Kind, rng: random.Random, harts: int, recording: Path) -> Flip:
    if kind == "register":
        return register_flip(rng, harts)
    if kind == "device":
        return device_flip(rng, harts)
    return memory_flip(rng, _last_state(recording))


def _alter(kind: Kind, rng: random.Random, recording: Path) -> Told:
    log = LogReader(recording)
    logged, end = list(log.events()), log.end()
    log.close()
    sealed = kind == "sealed log"
    alteration = alter(rng, logged, end, inputs=sealed)
    fault = f"{alteration.name} at instruction {alteration.first:_}"
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "altered"
        tamper(recording, copy, alteration.change, sealed=sealed)
        verdict = inquire(Recorded(copy), Conditions())
    if verdict.failure is None:
        return Told(kind, fault, 0)
    interval = any(
        first <= alteration.first and alteration.first <= last for first, last in _blamed(verdict)
    )
    if sealed:
        part = verdict.found is not None and verdict.found.cause == "recording"
    else:
        part = _blames_the_log(verdict, alteration)
    return Told(kind, fault, verdict.failure.exit_status, interval, part, said=_said(verdict))


def _blamed(verdict: Verdict) -> list[tuple[Icount, Icount]]:
    """Where it says the fault must be."""
    error = verdict.failure
    if isinstance(error, AlteredLog):
        return [(error.first, error.last)]
    if isinstance(error, ReplayDivergence):
        return [(error.agreed or START, error.at)]
    return []


def _blames_the_log(verdict: Verdict, alteration: Alteration) -> bool:
    error = verdict.failure
    if isinstance(error, ReplayDivergence) and error.report.altered is not None:
        first, last = error.report.altered
        return first <= alteration.first and alteration.last <= last
    return isinstance(error, AlteredLog)


def _said(verdict: Verdict) -> str:
    text = str(verdict.failure)
    return text if verdict.found is None else f"{text}\n{verdict.found.text()}"


@cache
def _facts(recording: Path) -> tuple[Icount, int]:
    log = LogReader(recording)
    try:
        return log.end(), int(log.manifest.machine["smp"])
    finally:
        log.close()


@cache
def _last_state(recording: Path) -> Machine:
    return Recorded(recording).run(Conditions()).machine
