"""Builds a machine and its world, ready to run: live, recorded, or replayed from a log.

Both locks are held from before the first question to the outside until the session has them.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final
from weakref import WeakSet

import msgspec

from lockstep.cpu.engine import Cpu, make_cpu
from lockstep.cpu.memory import Ram
from lockstep.det.instant import FOREVER, START, Icount
from lockstep.det.locks import Locks
from lockstep.det.world import World
from lockstep.errors import BadRecording, HostFailure, LockstepError, UsageError
from lockstep.host.answers import Answers, HostAnswers, SeededAnswers
from lockstep.host.clock import monotonic_ns
from lockstep.host.live import Live
from lockstep.host.signals import StopSignals
from lockstep.isa.state import FEATURES, SVADE
from lockstep.machine.board import DRAM_BASE, BoardConfig
from lockstep.machine.bus import Bus
from lockstep.machine.device import Undeliverable
from lockstep.machine.dtb import make_dtb
from lockstep.machine.loader import plan_boot
from lockstep.machine.machine import Machine
from lockstep.replay.divergence import ReplayDivergence
from lockstep.replay.log import LogReader, LogWriter
from lockstep.replay.recorder import Recorder
from lockstep.replay.replayer import Replayer
from lockstep.session.computer import Computer
from lockstep.session.config import LogConfig, MachineConfig, checked, config_from_manifest
from lockstep.session.console import Console, say
from lockstep.session.idle import Idle, RealIdle, ReplayIdle, SkipIdle
from lockstep.session.imagekeeping import keep_images
from lockstep.session.images import (
    ImageFile,
    from_recording,
    load_images,
    no_memory,
)
from lockstep.session.imagesearch import Given, find_images
from lockstep.session.loop import Session
from lockstep.session.manifest import make_manifest
from lockstep.session.outcome import SERIAL, TO_THE_END, Until
from lockstep.session.pace import Pace, live_pace
from lockstep.session.probe import Probe
from lockstep.session.regions import Code, Supply, supply
from lockstep.session.spared import refuse_recording
from lockstep.session.symbols import Symbols, places
from lockstep.session.watchdog import Watchdog

_SEED_BYTES: Final = 32

_machines: Final[WeakSet[Machine]] = WeakSet()
"""Those whose memory this process has not given back yet."""


class _Instants:
    """Says what the instant is, also before there is a machine."""

    def __init__(self) -> None:
        self.cpu: Cpu | None = None

    def now(self) -> Icount:
        return START if self.cpu is None else Icount(self.cpu.icount)

    def virtual_ns(self) -> int:
        return 0 if self.cpu is None else self.cpu.virtual_ns


@contextmanager
def live(
    config: MachineConfig,
    console: Console,
    *,
    recording: Path | None = None,
    force: bool = False,
    digest_every: int = 0,
    embed: bool = False,
    max_log: int | None = None,
    until: Until = TO_THE_END,
    timeout_ns: int | None = None,
    pace: str | None = None,
) -> Iterator[Session]:
    """A machine in the live world; everything that comes in is written to `recording`, if given.

    `force`: a recording that is there already is replaced, which else is a RecordingExists.
    `max_log` bounds the file, in bytes: when it is reached the session ends. `until` and
    `timeout_ns` (by the host's clock) end it, too; all that is recorded. `pace`: "real" keeps the
    guest's clock from running ahead of the host's, "none" does not; by default "real" where the
    machine idles as long as a real one would.

    Leaving the context completes the recording; leaving it by an exception leaves it incomplete,
    and good up to there.
    """
    config.check()
    checked(LogConfig, {"digest_every": digest_every, "embed": embed, "max_log": max_log})
    throttle = live_pace(pace, idle=config.idle, shift=config.shift)
    config, images = load_images(config)
    if recording is not None:
        refuse_recording(recording, config)
    board = _board(config, images)
    # All that is wrong with the images is said before an old recording is replaced.
    try:
        plan_boot(board, lambda initrd: make_dtb(board, initrd, bytes(_SEED_BYTES)))
    except MemoryError:
        raise no_memory("the images") from None
    try:
        ram = _ram(config.memory)
    except HostFailure as error:
        raise UsageError(error.message, remedy="give less --memory") from None
    # What has begun is ended by the session alone, and so through the log.
    with (
        StopSignals(lambda: None) as early,
        supply(config.engine, _tell) as regions,
        _locks(enabled=recording is not None) as locks,
    ):
        instants = _Instants()
        outside = Live(_answers(config, instants), {SERIAL: console.emit})
        idle: Idle = SkipIdle(outside) if config.idle == "skip" else RealIdle(outside, monotonic_ns)
        if recording is None:
            computer = _build(board, config, ram, outside, locks, instants, regions)
            yield Session(
                computer,
                idle,
                console,
                outside.post,
                until=until,
                timeout_ns=timeout_ns,
                pace=throttle,
                early=early,
                counted=_counts(computer, regions),
            )
            return
        manifest = make_manifest(config, images, digest_every, None if embed else recording)
        if not embed:
            keep_images(images, _tell)
        embedded = {image.sha256: image.data for image in images} if embed else {}
        writer = LogWriter(recording, manifest, embedded, limit=max_log, replace=force)
        with _log(recording, writer, locks, instants) as (log, finished):
            world = Recorder(outside, log, instants.now, locks.replay)
            computer = _build(board, config, ram, world, locks, instants, regions)
            log.flush(START)  # whenever it is killed from now on, there is something to replay

            def tick(now: Icount, host_ns: int) -> None:
                if log.tick(now, host_ns):
                    session.request(b"log-full")

            session = Session(
                computer,
                idle,
                console,
                outside.post,
                until=until,
                timeout_ns=timeout_ns,
                pace=throttle,
                early=early,
                tick=tick,
                counted=_counts(computer, regions),
            )
            log.when_heavy(session.ring)
            yield session
            finished(session)


@contextmanager
def replayed(
    log: LogReader,
    console: Console,
    *,
    until: Until = TO_THE_END,
    realtime: bool = False,
    engine: str | None = None,
    progress: Callable[[Icount, int], None] | None = None,
    probe: Probe | None = None,
    symbols: Symbols | None = None,
    code: Code | None = None,
    images: Given | None = None,
) -> Iterator[Session]:
    """The machine of a recording, in the world that its log describes.

    `progress` is told the instant and the host's time, a few times a second; `probe` gets the
    machine into its hands. With `symbols` a divergence names the functions the harts are in.
    `code` says where compiled code comes from, and is told whether the cache had any.
    `images`: where some of the recording's are.
    """
    config = config_from_manifest(log.manifest.machine)
    if engine is not None:
        config = msgspec.structs.replace(config, engine=engine)
    found = find_images(log, images)
    ram = _ram(config.memory)
    code = code or Code()
    with (
        supply(config.engine, _tell) as regions,
        code.used(config.engine, regions, _tell),
        _locks(enabled=True) as locks,
    ):
        instants = _Instants()
        world = Replayer(log, instants.now, locks.replay, lambda port, data: console.emit(data))
        end = FOREVER if world.ended else world.end
        board = _board(config, found)
        seen = world if probe is None else probe.around(world)
        with from_recording():
            computer = _build(board, config, ram, seen, locks, instants, regions, probe)
        idle = ReplayIdle(world, skip=config.idle == "skip")
        pace = Pace(config.shift) if realtime else None
        session = Session(
            computer,
            idle,
            console,
            None,
            until=until._replace(at=min(until.at, end)),
            pace=pace,
            tick=progress,
            counted=_counts(computer, regions),
        )
        code.ran = True
        try:
            with _watched(session, world, instants):
                yield session
            outcome = session.outcome
            stopped = outcome.reason == "until" and outcome.instructions < world.end
            if not (stopped or outcome.given_up):
                with locks.replay:
                    world.check_finished()
        except ReplayDivergence as error:
            error.amend(harts=places(computer.machine, symbols))
            raise
        except Undeliverable as error:
            raise BadRecording(
                f"the log does not fit the machine: {error} (at instruction {instants.now():_})",
                remedy="Get the recording again from where it was made, or use its own lockstep.",
            ) from error


@contextmanager
def _watched(session: Session, world: Replayer, instants: _Instants) -> Iterator[None]:
    """A machine that stands still without a reason is a divergence, too."""

    def bark(seen: str) -> None:
        try:
            world.stalled(seen)
        except LockstepError as error:
            session.abandon(error)

    def position() -> tuple[int, int]:
        return instants.now(), world.progress

    with Watchdog(position, lambda: session.resting, bark):
        yield


@contextmanager
def _locks(*, enabled: bool) -> Iterator[Locks]:
    """Both locks, held by this thread at first and by nobody in the end."""
    locks = Locks(enabled=enabled, clock=monotonic_ns)
    locks.replay.acquire()
    locks.big.acquire()
    try:
        yield locks
    finally:
        locks.replay.close()
        locks.big.release_if_held()


@contextmanager
def _log(
    path: Path, log: LogWriter, locks: Locks, instants: _Instants
) -> Iterator[tuple[LogWriter, Callable[[Session], None]]]:
    """A log to write. Calling the second value completes it."""
    started = monotonic_ns()

    def finish(session: Session) -> None:
        outcome = session.outcome
        with locks.replay:
            log.finish(
                Icount(outcome.instructions),
                (monotonic_ns() - started) / 1e9,
                outcome.reason,
                locks.counts(),
                session.stats(),
                outcome.guest_code,
            )

    try:
        yield log, finish
    except BaseException:
        # What went wrong is more interesting than that the disk is full, should it be.
        try:
            log.cut(instants.now())
        except LockstepError as error:
            if not log.begun:
                _tell(f"{error} {error.remedy}")
        if log.upto > START:
            _tell(f"the recording {path} ends there: good up to instruction {log.upto:,}")
        raise


def _ram(size: int) -> Ram:
    if _machines:
        gc.collect()  # a machine that is over is a circle of references, with all of its RAM in it
    try:
        return Ram(DRAM_BASE, size)
    except (OSError, MemoryError, OverflowError) as error:
        raise _no_memory(size, error) from None


def _no_memory(size: int, error: Exception) -> HostFailure:
    return HostFailure(
        f"the host has no {size:,} bytes for the machine's RAM: {error}",
        remedy="It takes a host with more memory.",
    )


def _build(
    board: BoardConfig,
    config: MachineConfig,
    ram: Ram,
    world: World,
    locks: Locks,
    instants: _Instants,
    regions: Supply | None,
    probe: Probe | None = None,
) -> Computer:
    """The machine at its first instruction, and its harts."""
    seed = world.outlet("board").ask("entropy", _SEED_BYTES)
    board = replace(board, rng_seed=seed)
    bus = Bus(locks.big)
    cpu = make_cpu(
        config.engine,
        config.smp,
        ram,
        bus,
        config.shift,
        config.quantum,
        _tell,
        regions,
        _features(config),
    )
    try:
        machine = Machine(board, cpu, ram, bus, world.outlet)
    except (OSError, MemoryError) as error:  # its hashes are a 256th of RAM
        raise _no_memory(config.memory, error) from None
    _machines.add(machine)
    instants.cpu = cpu
    if probe is not None:
        probe.machine = machine
    world.checkpoint("machine-init", Icount(cpu.icount), machine.digests)
    return Computer(machine, cpu, world, locks)


def _counts(computer: Computer, regions: Supply | None) -> Callable[[], dict[str, int]]:
    """What is counted while it runs."""
    return lambda: computer.cpu.stats() | ({} if regions is None else regions.stats())


def _tell(message: str) -> None:
    say(f"lockstep: {message}\n")


def _board(config: MachineConfig, images: Sequence[ImageFile]) -> BoardConfig:
    contents = {image.role: image.data for image in images}
    return BoardConfig(
        memory=config.memory,
        harts=config.smp,
        version=config.version,
        svade=config.svade,
        shift=config.shift,
        engine=config.engine,
        quantum=config.quantum,
        bios=contents.get("bios"),
        kernel=contents.get("kernel"),
        initrd=contents.get("initrd"),
        dtb=contents.get("dtb"),
        bootargs=config.append,
        no_reboot=bool(config.no_reboot),
        rng_seed=bytes(_SEED_BYTES),
    )


def _features(config: MachineConfig) -> int:
    """What the harts of a machine have, as isa/state names it."""
    if config.version < 2:
        return SVADE
    return FEATURES | (SVADE if config.svade else 0)


def _answers(config: MachineConfig, instants: _Instants) -> Answers:
    if config.seed is None:
        return HostAnswers()
    return SeededAnswers(config.seed, instants.virtual_ns)
