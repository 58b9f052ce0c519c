"""Whatever the options: what was recorded replays, to the last byte and digest."""

import os
import socket
import tempfile
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.cli import run_cli
from fakes.engines import ENGINES
from lockstep.host.serial import open_serial
from lockstep.session import api
from lockstep.session.build import live
from lockstep.session.config import MachineConfig
from lockstep.session.console import Console

DEMO = str(files("lockstep.ui") / "data" / "demo.elf")
REBOOT = str(Path(__file__).parents[2] / "guests" / "build" / "reboot.elf")
EVERY = st.sampled_from([0, 1_000, 20_000, 100_000_000])
RECORDING = REPLAYING = st.sampled_from(ENGINES)

# Without an hour for the whole matrix: always the same sample of it.
sampled = partial(
    settings,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

machines = st.fixed_dictionaries(
    {
        "shift": st.integers(0, 10),
        "idle": st.sampled_from(["real", "skip", "skip"]),  # real waits last
        "smp": st.integers(1, 8),
        "seed": st.sampled_from([None, 7]),
    }
)


def recorded_and_replayed(replaying, **options):
    """A run whose replay, by another engine perhaps, was equal; its log says where it ended."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "r"
        made = api.record(path, bios="none", memory=16 << 20, **options)
        assert api.replay(path, engine=replaying) == made
        facts = api.info(path)
    assert facts["complete"]
    assert facts["instructions"] == made.outcome.instructions
    return made


@sampled(max_examples=14)
@given(machine=machines, every=EVERY, typed=st.binary(max_size=40))
def test_a_lottery_is_replayed_under_every_clock(machine, every, typed):
    """Timers, idle time, the wall clock, entropy and keys, on any number of harts."""
    made = recorded_and_replayed("interp", kernel=DEMO, typed=typed, digest_every=every, **machine)
    assert made.outcome.reason == "poweroff"


@sampled(max_examples=12)
@given(machine=machines, every=EVERY, recording=RECORDING, replaying=REPLAYING)
def test_engines_replay_each_other(machine, every, recording, replaying):
    """A guest that starts three times, recorded by one engine and replayed by any."""
    made = recorded_and_replayed(
        replaying, kernel=REBOOT, engine=recording, digest_every=every, **machine
    )
    assert made.console.count(b"life") == 3


@sampled(max_examples=12)
@given(machine=machines, serial=st.sampled_from(["stdio", "null", "file", "unix", "tcp", "pty"]))
def test_every_serial_port_is_recorded_alike(capfd, monkeypatch, machine, serial):
    """Where the output goes is not in the recording: the replay shows it all."""
    with tempfile.TemporaryDirectory() as directory:
        path, out = Path(directory) / "r", Path(directory) / "out"
        where = {
            "file": f"file:{out}",
            "unix": f"unix:{out}",
            "tcp": "tcp:127.0.0.1:0",
        }.get(serial, serial)
        options = [
            part
            for name, value in machine.items()
            if value is not None
            for part in (f"--{name}", value)
        ]
        guest = ["--kernel", REBOOT, "--bios", "none", "--memory", "16M"]
        made = run_cli(
            capfd, monkeypatch, "record", "-o", path, "--serial", where, *guest, *options
        )
        assert made.status == 0, made.err
        again = run_cli(capfd, monkeypatch, "replay", path)
        assert again.status == 0, again.err
        assert again.out.count("life") == 3
        if serial == "stdio":
            assert made.out == again.out
        if serial == "file":
            assert out.read_bytes().decode() == again.out


def dial(where, note):
    """The other side of a serial port, of which we were told in a note."""
    address = note.split()[-1]
    if where == "pty":
        return os.fdopen(os.open(address, os.O_RDWR | os.O_NOCTTY), "r+b", buffering=0)
    family = socket.AF_UNIX if where == "unix" else socket.AF_INET
    host, _, port = address.partition(":")[2].rpartition(":")
    peer = socket.socket(family)
    peer.connect(address.removeprefix("unix:") if where == "unix" else (host, int(port)))
    return peer.makefile("rwb", buffering=0)


@pytest.mark.parametrize("smp", [1, 3])
@pytest.mark.parametrize("where", ["unix", "tcp", "pty"])
def test_what_is_typed_into_any_serial_port_is_replayed(tmp_path, where, smp):
    """At its instants, and to a console that has no input."""
    specs = {"unix": f"unix:{tmp_path / 's'}", "tcp": "tcp:127.0.0.1:0", "pty": "pty"}
    notes: list[str] = []
    console = Console(open_serial(specs[where], notes.append))
    config = MachineConfig(kernel=DEMO, bios="none", memory=16 << 20, smp=smp)
    with dial(where, notes[0]) as typist:
        typist.write(b"heads or tails")
        with live(config, console, recording=tmp_path / "r", digest_every=20_000) as session:
            session.run()
    typed = [each["data"] for each in api.events(tmp_path / "r") if each["kind"] == "serial"]
    assert bytes.fromhex("".join(typed)) == b"heads or tails"
    assert b"typed meanwhile    heads or tails" in api.replay(tmp_path / "r").console
