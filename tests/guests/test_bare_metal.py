"""Our own guests: bare metal, small, and each with something to show."""

import random
from importlib.resources import as_file, files
from pathlib import Path

import pytest

from fakes.engines import ENGINES
from lockstep.machine.images.mailbox import find_mailbox
from lockstep.session import api

from .conftest import built

# Computed by QEMU: `-M virt -bios none -kernel guests/build/NAME.elf`. The host gets the same.
CHECKSUMS = {
    "compute": "f9b9e48355ce0c5f",
    "memory": "84550299ae2d8f15",
    "callret": "8e315a6728508f38",
    "fp": "4d4728d3554542aa",
    "mix": "d1c1304d42b84333",
    "records": "d3591acb86de08b6",
    "syscall": "037b827000189599",
}


@pytest.mark.parametrize("name", CHECKSUMS)
def test_a_benchmark_computes_what_qemu_computes(name: str) -> None:
    """Thousands of millions of instructions, page faults and floating point included."""
    done = api.run(kernel=str(built(name)), bios="none", memory=128 << 20)
    assert done.console.decode() == f"{name} {CHECKSUMS[name]}\r\n"


@pytest.mark.parametrize("harts", [1, 3, 8])
def test_every_interrupt_replays_at_its_instruction(harts: int, tmp_path: Path) -> None:
    """The guest folds the pc of every interrupt into one number."""
    recording = tmp_path / "irq.lockstep"
    made = api.record(
        recording, kernel=str(built("irq")), bios="none", smp=harts, digest_every=500_000
    )
    assert made.outcome.reason == "poweroff"
    assert made.console.count(b"timer 300") == harts
    assert api.replay(recording).console == made.console


@pytest.mark.parametrize("harts", [1, 3])
@pytest.mark.parametrize("idle", ["real", "skip"])
def test_a_guest_that_reboots_replays_through_all_its_lives(
    harts: int, idle: str, tmp_path: Path
) -> None:
    """The harts and devices start again, RAM and time go on, and a checkpoint says how it was."""
    recording = tmp_path / "reboot.lockstep"
    made = api.record(
        recording,
        kernel=str(built("reboot")),
        bios="none",
        smp=harts,
        idle=idle,
        memory=16 << 20,
        digest_every=500,
    )
    assert made.outcome.reason == "poweroff"
    lives = [line.split()[2:] for line in made.console.decode().splitlines()]
    assert [len(born) for born in lives] == [1, 2, 3]
    assert lives[2][:2] == lives[1]
    assert lives[1][0] == lives[0][0] < lives[1][1] < lives[2][2]
    reasons = [event["reason"] for event in api.events(recording) if event["kind"] == "checkpoint"]
    assert reasons.count("reset") == 2
    for engine in ENGINES:
        again = api.replay(recording, engine=engine)
        assert (again.console, again.outcome) == (made.console, made.outcome)


def test_the_lottery_replays_and_is_not_drawn_alike_twice(tmp_path: Path) -> None:
    """Clock, harts and keys go into the fingerprint: a recording alone brings it back."""
    recording = tmp_path / "demo.lockstep"
    with as_file(files("lockstep.ui") / "data" / "demo.elf") as guest:
        machine = {"kernel": str(guest), "bios": "none", "smp": 2, "memory": 16 << 20}
        made = api.record(recording, typed=b"hello", digest_every=100_000, **machine)
        other = api.run(typed=b"hello", **machine)
        assert b"typed meanwhile    hello" in made.console
        assert api.replay(recording).console == made.console
    assert other.console != made.console


def test_the_engines_agree_on_the_lottery(tmp_path: Path) -> None:
    """The recording of one engine replays on the other, digest for digest."""
    recording = tmp_path / "demo.lockstep"
    with as_file(files("lockstep.ui") / "data" / "demo.elf") as guest:
        made = api.record(
            recording, kernel=str(guest), bios="none", smp=2, memory=16 << 20, digest_every=50_000
        )
        assert api.replay(recording, engine="reference").console == made.console


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("svade", "cause"), [(False, None), (True, 12)])
def test_page_tables_without_marks(
    engine: str, svade: bool, cause: int | None, tmp_path: Path
) -> None:
    """Nobody has to set A and D, as on QEMU, unless Svade is asked for."""
    recording = tmp_path / "marks.lockstep"
    made = api.record(
        recording, kernel=str(built("marks")), bios="none", engine=engine, svade=svade
    )
    assert made.outcome.reason == ("poweroff" if cause is None else "fail")
    assert cause is None or f"code {cause}" in made.outcome.describe()
    for other in ENGINES:
        assert api.replay(recording, engine=other).outcome == made.outcome


NOTHING, MEMORY, DEVICE = b"77775", b"00000", b"00070"


@pytest.mark.parametrize("engine", ENGINES)
def test_cache_blocks_where_nothing_is(engine: str, tmp_path: Path) -> None:
    """Managing one is an access fault as zeroing it is; a device's may be managed. (CMO 2.5.2)"""
    recording = tmp_path / "vacant.lockstep"
    machine = {"kernel": str(built("vacant")), "bios": "none", "memory": 16 << 20}
    made = api.record(recording, engine=engine, **machine)
    # The third lies in PCIe's window below RAM, which version 1 lacks.
    beyond = [MEMORY] * 2 + [NOTHING] * 3 + [DEVICE] * 5
    assert made.console.split() == [NOTHING, NOTHING, DEVICE, *beyond]
    for other in ENGINES:
        assert api.replay(recording, engine=other).console == made.console
    before = api.run(engine=engine, version=1, **machine)
    assert before.console.split() == [
        b"0007" + line[4:] if line != MEMORY else line for line in [NOTHING] * 3 + beyond
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_program_for_spike_prints_and_ends(engine: str, tmp_path: Path) -> None:
    """Its symbols say where it talks to the host, at the very instruction that stores there."""
    recording = tmp_path / "spike.lockstep"
    machine = {"kernel": str(built("spike")), "bios": "none", "memory": 16 << 20}
    made = api.record(recording, engine=engine, digest_every=50, **machine)
    assert made.console == b"byte by byte\nand at once\n"
    assert (made.outcome.reason, made.outcome.code, made.outcome.instructions) == ("fail", 7, 179)
    for other in ENGINES:
        again = api.replay(recording, engine=other)
        assert (again.console, again.outcome) == (made.console, made.outcome)
    before = api.run(engine=engine, version=1, until=2_000, **machine)
    assert (before.console, before.outcome.reason) == (b"", "until")


def test_a_damaged_symbol_table_is_none() -> None:
    """Wherever the file is cut, and whatever a byte of its tables becomes."""
    data = built("spike").read_bytes()
    found = find_mailbox(data)
    assert found is not None
    assert found.fromhost == found.tohost + 8
    rng = random.Random(1)
    for _ in range(500):
        damaged = bytearray(data)
        for _ in range(rng.randrange(1, 6)):
            damaged[rng.choice((rng.randrange(64), rng.randrange(len(data))))] = rng.randrange(256)
        find_mailbox(bytes(damaged[: rng.choice((len(data), rng.randrange(len(data))))]))
