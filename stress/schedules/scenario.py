"""One schedule: a machine is recorded while a crowd bothers it, and replayed while another does."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from lockstep.det.locks import Locks
from lockstep.session.archive import open_log
from lockstep.session.build import live, replayed
from lockstep.session.config import MachineConfig
from lockstep.session.console import Console
from lockstep.session.loop import Session
from lockstep.session.outcome import Outcome
from stress.schedules.cpu import Choppy
from stress.schedules.patches import moved_to
from stress.schedules.people import Crowd
from stress.schedules.place import Place
from stress.schedules.stage import Stage
from stress.schedules.street import Street
from stress.schedules.watch import Watch
from stress.schedules.wire import Broken, Wire

PATIENCE_S: Final = 120.0
"""For what takes a tenth of a second on a quiet host."""

STAGE: Final = "on a stage"
STREET: Final = "in the street"
_PLACES: Final[dict[str, type[Stage | Street]]] = {STAGE: Stage, STREET: Street}


@dataclass
class Schedule:
    """What came of a seed. `failure` is None if everything held."""

    seed: int
    place: str
    failure: str | None = None
    steps: int = 0
    waits: int = 0
    longest_ns: int = 0
    most_ahead: int = 0
    answers: int = 0
    endings: list[str] = field(default_factory=list)


@dataclass
class _Act:
    """A session in its place. `planted` is the error that it ended with, if we planted that."""

    place: Place
    watch: Watch = field(init=False)
    wires: list[Wire] = field(default_factory=list)
    locks: Locks | None = None
    outcome: Outcome | None = None
    planted: BaseException | None = None
    wrongs: list[str] = field(default_factory=list)
    crowd: Crowd | None = None

    def wire(self) -> Wire:
        wire = Wire(self.place)
        wire.delay_ns = self.place.rng.choice((0, 0, 100_000, 5_000_000))
        self.wires.append(wire)
        return wire

    def ending(self) -> str:
        if self.planted is not None:
            return type(self.planted).__name__
        return self.outcome.reason if self.outcome else "none"

    def describe_locks(self) -> str:
        if self.locks is None:
            return "there are no locks yet"
        return "\n".join(
            f"{lock.name}: held by {lock._holder()!r}, taken at {lock.taken_at}, "
            f"{len(lock._queue)} waiting"
            for lock in (self.locks.replay, self.locks.big)
        )


def play(seed: int, directory: Path, place: str = STAGE) -> Schedule:
    """The schedule of a seed. Recordings are made in `directory`, and removed."""
    schedule, kind = Schedule(seed, place), _PLACES[place]
    recording = directory / f"{seed}.lockstep"
    made = _Act(kind(seed))
    with as_file(files("lockstep.ui") / "data" / "demo.elf") as kernel:
        _perform(schedule, made, lambda: _record(made, kernel, recording))
    if schedule.failure is None and recording.exists():
        again = _Act(kind(-seed - 1))
        _perform(schedule, again, lambda: _replay(again, recording))
        if schedule.failure is None and made.outcome and made.outcome != again.outcome:
            schedule.failure = f"recorded {made.outcome}, replayed {again.outcome}"
    for path in directory.glob(f"{seed}.lockstep*"):
        path.unlink()
    return schedule


def _perform(schedule: Schedule, act: _Act, body: Callable[[], None]) -> None:
    """Run `body` in its place, and look whether everything is at rest afterwards."""
    place = act.place
    act.watch = watch = Watch(place.clock)
    place.report = act.describe_locks

    def first() -> None:
        try:
            body()
        except Exception:
            act.wrongs.append(traceback.format_exc())
        finally:
            for wire in act.wires:
                wire.stuck = False

    with moved_to(place, watch, act.wires):
        place.run(place.threads.Thread(target=first, name="builder"), PATIENCE_S)
    schedule.steps += place.steps
    schedule.waits += watch.waits
    schedule.longest_ns = max(schedule.longest_ns, watch.longest_ns)
    schedule.most_ahead = max(schedule.most_ahead, watch.most_ahead)
    schedule.answers += act.crowd.answers if act.crowd else 0
    schedule.endings.append(act.ending())
    wrongs = [*([place.failure] if place.failure else []), *watch.overtaken, *act.wrongs]
    if wrongs or not _at_rest(act):
        schedule.failure = "\n".join(wrongs) or f"not at rest\n{act.describe_locks()}"


def _undone(session: Session) -> str | None:
    """What a session that waits for the host must not have before it."""
    if session._vcpu.over or session.mailbox._closed:
        return None
    if session.mailbox.waiting:
        return "a request waits"
    if session._signals.received is not None and not session._told_to_end:
        return "a signal was not seen"
    if session._posted:
        return "an arrival waits"
    if session._vcpu._owed:
        return "the vCPU thread is owed a turn"
    return None


def _at_rest(act: _Act) -> bool:
    """Nobody holds a lock, and nobody waits."""
    locks = act.locks
    if locks is None:
        return False
    return not (locks.replay._owner or locks.big._owner or locks._waiting)


def _record(act: _Act, kernel: Path, recording: Path) -> None:
    rng = act.place.rng
    config = MachineConfig(
        kernel=str(kernel),
        bios="none",
        memory=4 << 20,
        smp=rng.choice((1, 2)),
        seed=rng.getrandbits(32),  # or the guest would not repeat itself
        idle=rng.choice(("real", "skip")),
        quantum=rng.choice((500, 20_000)),
    )
    wire = act.wire()
    if rng.random() < 0.1:
        wire.breaks_in = rng.randrange(60)
    path = recording if rng.random() < 0.8 else None
    every = rng.choice((0, 10_000, 100_000))
    try:
        with live(
            config, Console(wire), recording=path, digest_every=every, pace="none"
        ) as session:
            _run(act, session, wire, gentle=rng.random() < 0.4)
    except (Broken, SystemExit) as error:
        act.planted = error


def _replay(act: _Act, recording: Path) -> None:
    wire = act.wire()
    with open_log(recording) as log, replayed(log, Console(wire)) as session:
        _run(act, session, wire, gentle=True)


def _run(act: _Act, session: Session, wire: Wire, *, gentle: bool) -> None:
    """Run the session, in this thread or in another one, and bother it."""
    place = act.place
    act.locks = session._locks
    session._vcpu._cpu = session._cpu = Choppy(session._cpu, place)  # type: ignore[assignment]
    session._clock = place.clock
    ended: list[BaseException] = []

    def run() -> None:
        try:
            act.outcome = session.run()
        except (Exception, SystemExit) as error:
            ended.append(error)

    here = place.rng.random() < 0.5
    runner = threading.current_thread()
    if not here:
        runner = place.threads.Thread(target=run, name="main loop")
        session.hand_over(runner)
    act.crowd = Crowd(place, session, wire, runner, gentle, act.wrongs)
    place.undone = lambda: _undone(session)
    act.crowd.gather()
    if here:
        run()
    else:
        runner.start()
        runner.join()
    if ended:
        raise ended[0]
