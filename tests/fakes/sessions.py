"""Sessions around a `FakeMachine`, recorded into a file and replayed from it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from fakes.machine import FakeMachine
from lockstep.det.instant import FOREVER, Icount
from lockstep.det.locks import Locks
from lockstep.host.answers import HostAnswers
from lockstep.host.clock import monotonic_ns
from lockstep.host.live import Live
from lockstep.host.serial import NullSerial
from lockstep.replay.format import Manifest
from lockstep.replay.log import LogReader, LogWriter
from lockstep.replay.recorder import Recorder
from lockstep.replay.replayer import Replayer
from lockstep.session.computer import Computer
from lockstep.session.console import Console
from lockstep.session.idle import RealIdle, ReplayIdle, SkipIdle
from lockstep.session.loop import Session
from lockstep.session.outcome import TO_THE_END, Until

Guest = Mapping[int, Callable[[FakeMachine], None]]


class FakeSerial(NullSerial):
    """Keeps output; says that input may come if told so. Input is posted by the test."""

    def __init__(self, hears: bool = True) -> None:
        self.data = bytearray()
        self.hears = hears

    def emit(self, data: bytes) -> None:
        self.data += data

    def can_receive(self) -> bool:
        return self.hears


class Rig:
    """A session ready to run, and everything around it."""

    def __init__(self, *, enabled: bool, hears: bool = True) -> None:
        self.locks = Locks(enabled=enabled, clock=monotonic_ns)
        self.locks.replay.acquire()
        self.locks.big.acquire()
        self.serial = FakeSerial(hears)
        self.console = Console(self.serial)
        self.machine: FakeMachine
        self.session: Session
        self.log: LogWriter | None = None

    def now(self) -> Icount:
        return Icount(self.machine.cpu.icount) if hasattr(self, "machine") else Icount(0)

    def run(self):
        """To the end; completes a recording."""
        outcome = self.session.run()
        if self.log is not None:
            with self.locks.replay:
                self.log.finish(
                    Icount(outcome.instructions), 0.0, outcome.reason, stats=self.session.stats()
                )
        return outcome


def live_rig(
    guest: Guest,
    path: Path | None = None,
    *,
    idle: str = "real",
    every: int = 0,
    hears: bool = True,
    clock=monotonic_ns,
    shift: int = 0,
    until: Until = TO_THE_END,
    timeout_ns: int | None = None,
) -> Rig:
    rig = Rig(enabled=path is not None, hears=hears)
    live = Live(HostAnswers(), {"serial0": rig.console.emit})
    world, tick = live, None
    if path is not None:
        rig.log = LogWriter(path, Manifest(machine={}, digest_every=every))
        world, tick = Recorder(live, rig.log, rig.now, rig.locks.replay), rig.log.tick
    rig.machine = FakeMachine(guest, world.outlet, rig.locks.big, shift)
    world.checkpoint("machine-init", rig.now(), rig.machine.digests)
    policy = SkipIdle(live) if idle == "skip" else RealIdle(live, clock)
    rig.session = Session(
        Computer(rig.machine, rig.machine.cpu, world, rig.locks),
        policy,
        rig.console,
        live.post,
        until=until,
        timeout_ns=timeout_ns,
        tick=tick,
        clock=clock,
        counted=lambda: {"counted": 42},
    )
    return rig


def replay_rig(
    guest: Guest, path: Path, *, idle: str = "real", until: int = FOREVER, shift: int = 0
) -> Rig:
    rig = Rig(enabled=True, hears=False)
    world = Replayer(
        LogReader(path), rig.now, rig.locks.replay, lambda port, data: rig.console.emit(data)
    )
    rig.machine = FakeMachine(guest, world.outlet, rig.locks.big, shift)
    world.checkpoint("machine-init", rig.now(), rig.machine.digests)
    policy = ReplayIdle(world, skip=idle == "skip")
    rig.session = Session(
        Computer(rig.machine, rig.machine.cpu, world, rig.locks),
        policy,
        rig.console,
        None,
        until=Until(Icount(until)),
    )
    rig.world = world
    return rig
