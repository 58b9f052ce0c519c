"""What is measured, job by job, with the targets that the project set itself."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

from bench.child import Failed
from bench.machines import Guest, Machine
from bench.race import Laps, Track
from bench.rows import Row, Unit, at_most, ratio_to
from lockstep.host.guests import GuestSet

MOST_LOG_BYTES: Final = 20_000
"""Of a boot's log, without images."""

MOST_OVERHEAD: Final = 1.03
"""What a boot may take under record, where it takes 1 under run."""

BUILT: Final = Path(__file__).parents[1] / "guests" / "build"
COMPUTERS: Final = tuple(machine for machine in Machine if machine is not Machine.NATIVE)


class Loop(NamedTuple):
    """A guest that does one kind of work."""

    name: str
    title: str
    most: float
    """The target: of what QEMU takes to record it."""
    native: bool = True
    """Whether this machine can do the work itself."""


LOOPS: Final = (
    Loop("compute", "compute", 0.5),
    Loop("memory", "memory", 0.9),
    Loop("callret", "call/return", 0.9),
    Loop("fp", "FP", 0.5),
    Loop("mix", "mix", 0.7),
    Loop("records", "records", 0.7),
    Loop("syscall", "syscall/fault", 1.2, native=False),
)


def own(name: str, proof: bytes) -> Guest:
    """A guest of ours, on the bare machine."""
    return Guest(name, BUILT / f"{name}.elf", proof)


def debian(guests: GuestSet) -> Guest:
    """Debian's kernel, booted to its script."""
    proof = rb"(?s)lockstep: done.*reboot: Power down"
    return Guest("debian", guests.kernel, proof, guests.bios, guests.initrd, "console=ttyS0")


def warm_up(track: Track) -> None:
    """Compile what is kept for later starts, by Python and by us, and have it in the page cache."""
    track.race(own("start", b"start"), Machine.RECORD, Machine.QEMU_RECORD)


@contextmanager
def cold(track: Track) -> Iterator[Callable[[], dict[str, str]]]:
    """Environments with an empty cache directory: nothing of ours is compiled yet."""
    with tempfile.TemporaryDirectory(dir=track.folder) as folder:
        caches = (str(Path(folder) / str(n)) for n in count())
        yield lambda: {"LOCKSTEP_CACHE": next(caches)}


def start_up(track: Track, guests: GuestSet) -> Iterator[Row]:
    """From the start of the process to the first thing the guest does, which is to say so.

    Our guest is the firmware, so that Debian's images are loaded as for a boot.
    """
    guest = debian(guests)._replace(name="start", proof=b"start", bios=BUILT / "start.elf")
    warm = track.race(guest, Machine.RECORD, Machine.QEMU_RECORD)
    with cold(track) as environment:
        first = track.race(guest, Machine.RECORD, environment=environment)
    ours, theirs = warm.first(Machine.RECORD), warm.first(Machine.QEMU_RECORD)
    yield Row("start-up, warm cache", ours, Machine.QEMU_RECORD.title, theirs, at_most(0.4))
    yield Row("start-up, cold cache", first.first(Machine.RECORD), target=at_most(10))


def boot(track: Track, guests: GuestSet) -> Iterator[Row]:
    """The main job: Debian boots, runs its script, and powers off."""
    guest = debian(guests)
    logs: dict[str, list[float]] = {"ours": [], "file": [], "theirs": []}

    def weigh() -> None:
        ours = Machine.RECORD.log(guest, track.folder)
        logs["ours"].append(_log_bytes(ours))
        logs["file"].append(ours.stat().st_size)
        logs["theirs"].append(Machine.QEMU_RECORD.log(guest, track.folder).stat().st_size)

    track.warm(guest)
    laps = track.race(guest, *COMPUTERS, after=weigh)
    yield from _boot_times(laps)
    yield from _cold_boot(track, guest)
    name = Machine.QEMU_RECORD.title
    yield Row("boot, log", logs["ours"], name, logs["theirs"], at_most(MOST_LOG_BYTES), Unit.BYTES)
    yield Row("boot, file", logs["file"], name, logs["theirs"], unit=Unit.BYTES)


def _boot_times(laps: Laps) -> Iterator[Row]:
    run, record, replay = (laps.wall(m) for m in (Machine.RUN, Machine.RECORD, Machine.REPLAY))
    qemu, qemu_record, qemu_replay = Machine.QEMU, Machine.QEMU_RECORD, Machine.QEMU_REPLAY
    yield Row("boot, record", record, qemu_record.title, laps.wall(qemu_record), ratio_to(1))
    yield Row("boot, record", record, qemu.title, laps.wall(qemu))
    yield Row("boot, run", run, qemu.title, laps.wall(qemu))
    yield Row("boot, replay", replay, qemu_replay.title, laps.wall(qemu_replay))
    yield Row("boot, replay", replay, "record", record, ratio_to(1))
    yield Row("boot, record", record, "run", run, ratio_to(MOST_OVERHEAD))
    cpu, qemu_cpu = laps.cpu(Machine.RECORD), laps.cpu(qemu_record)
    yield Row("processor, record", cpu, qemu_record.title, qemu_cpu)
    yield Row("processor, replay", laps.cpu(Machine.REPLAY), "record", cpu)


def _cold_boot(track: Track, guest: Guest) -> Iterator[Row]:
    """With everything still to be compiled, the interpreter itself included."""
    ours, theirs = Machine.RECORD, Machine.QEMU_RECORD
    with cold(track) as environment:
        laps = track.race(guest, ours, theirs, environment=environment)
    what = "boot, record, cold cache"
    yield Row(what, laps.wall(ours), theirs.title, laps.wall(theirs), ratio_to(1.4))


def loops(track: Track, guests: GuestSet) -> Iterator[Row]:
    """One kind of work each. What an empty guest takes is measured too, and left out of `net`."""
    machines = Machine.RECORD, Machine.QEMU_RECORD, Machine.QEMU
    empty = track.race(own("start", b"start"), *machines)
    for loop in LOOPS:
        guest = own(loop.name, rb"%s [0-9a-f]{16}" % loop.name.encode())
        track.warm(guest)
        laps = track.race(guest, *machines, *([Machine.NATIVE] if loop.native else []))
        _agree(loop.name, laps)
        yield from _loop(loop, laps, empty)


def _loop(loop: Loop, laps: Laps, empty: Laps) -> Iterator[Row]:
    record, *others = laps
    for other in others:
        target = ratio_to(loop.most) if other is Machine.QEMU_RECORD else None
        net = _net(laps, empty, record) / _net(laps, empty, other)
        what, ours, theirs = f"{loop.title}, record", laps.wall(record), laps.wall(other)
        yield Row(what, ours, other.title, theirs, target, net=net)


def _agree(name: str, laps: Laps) -> None:
    """All machines have computed the same."""
    said = {sample.output.strip(): machine for machine in laps for sample in laps[machine]}
    if len(said) != 1:
        answers = ", ".join(f"{machine.title}: {text!r}" for text, machine in said.items())
        raise Failed(f"{name} is not the same everywhere: {answers}")


def _net(laps: Laps, empty: Laps, machine: Machine) -> float:
    """Without what an empty guest takes. That of an empty program is nothing to speak of."""
    start = empty.typical(machine) if machine in empty else 0
    return max(laps.typical(machine) - start, 1e-3)


def device(track: Track, guests: GuestSet) -> Iterator[Row]:
    """A guest's read of a device register, there and back, as the guest times it."""
    guest = own("mmio", rb"mmio \d+ \d+ \d+")
    laps = track.race(guest, Machine.RECORD, Machine.QEMU_RECORD)
    ours, theirs = (
        [_round_trip_us(sample.output) for sample in laps[machine]]
        for machine in (Machine.RECORD, Machine.QEMU_RECORD)
    )
    name = Machine.QEMU_RECORD.title
    yield Row("device read", ours, name, theirs, at_most(6), Unit.MICROSECONDS)


def _round_trip_us(output: bytes) -> float:
    """Microseconds a read, less those of the same loop over RAM."""
    reads, ram_ns, device_ns = map(int, output.split()[1:4])
    return (device_ns - ram_ns) / reads / 1000


def _log_bytes(recording: Path) -> int:
    words = [sys.executable, "-m", "lockstep", "info", "--json", str(recording)]
    facts: Mapping[str, int] = json.loads(
        subprocess.run(words, capture_output=True, check=True).stdout
    )
    return facts["log_bytes"]


JOBS: Final = {"start": start_up, "boot": boot, "loops": loops, "device": device}
