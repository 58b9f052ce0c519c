"""One more run of a recording, under conditions, and what became of it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from lockstep import stops
from lockstep.det.instant import FOREVER, Icount
from lockstep.errors import BadRecording
from lockstep.host.serial import NullSerial
from lockstep.machine.machine import Machine
from lockstep.replay.divergence import ReplayDivergence
from lockstep.replay.log import LogReader
from lockstep.session.build import replayed
from lockstep.session.console import Console
from lockstep.session.imagesearch import Given
from lockstep.session.outcome import Until
from lockstep.session.probe import Act, Probe, Seen
from lockstep.session.regions import Code
from lockstep.session.symbols import Symbols

Tell = Callable[[Icount, int], None] | None
"""Told the instant and the host's time now and then."""

Acts = Mapping[Icount, Sequence[Act]]


class Conditions(NamedTuple):
    """How to run a recording: on which engine (None: that of the recording), what is done to the
    machine on its way, and whether all code is compiled `afresh`, without the cache."""

    engine: str | None = None
    acts: Acts = MappingProxyType({})
    afresh: bool = False


class Run(NamedTuple):
    """A run that is over: the machine as it was then, what ended it before its time, and whether
    it had code from the cache."""

    machine: Machine
    failure: ReplayDivergence | BadRecording | None
    cached: bool = False


class Recorded:
    """A recording, to be run again and again; `runs` counts how often."""

    def __init__(self, path: Path, tell: Tell = None, images: Given | None = None) -> None:
        self.path = path
        self.runs = 0
        self._tell = tell
        self._images = images

    def run(
        self,
        conditions: Conditions,
        acts: Acts | None = None,
        *,
        until: Icount = FOREVER,
        at_checkpoint: tuple[str, Icount] | None = None,
        symbols: Symbols | None = None,
    ) -> Run:
        """Run it. `acts` come after those of the conditions; an act may end the run (`Seen`), and
        so does getting past the checkpoint."""
        both = {
            at: [*conditions.acts.get(at, ()), *(acts or {}).get(at, ())]
            for at in {*conditions.acts, *(acts or {})}
        }
        self.runs += 1
        probe = Probe(both, at_checkpoint, seen)
        failure = None
        code = Code(afresh=conditions.afresh)
        log = LogReader(self.path)
        try:
            with replayed(
                log,
                Console(NullSerial()),
                until=Until(until),
                engine=conditions.engine,
                progress=self._tell,
                probe=probe,
                symbols=symbols,
                images=self._images,
                code=code,
            ) as session:
                outcome = session.run()
            if outcome.given_up:  # or a part of a recording would be taken for all of it
                stops.leave(outcome.exit_status)
        except Seen:
            pass
        except (ReplayDivergence, BadRecording) as error:
            failure = error
        finally:
            log.close()
        if not hasattr(probe, "machine"):
            assert failure is not None, "a run without a machine has failed"
            raise failure
        return Run(probe.machine, failure, code.cached)


def seen(machine: Machine) -> None:
    """The act that ends a run."""
    raise Seen


def change_engine(name: str) -> Act:
    """The act of going on with another engine."""
    return lambda machine: machine.cpu.change_engine(name)
