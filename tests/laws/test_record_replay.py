"""record = replay: whatever came in, however the periods were cut, wherever it runs."""

import os
import random
import subprocess
import sys
import threading
from importlib.resources import files

import pytest

from fakes.engines import ENGINES, with_whims
from lockstep.det.instant import Icount
from lockstep.host.serial import NullSerial
from lockstep.session import api
from lockstep.session.archive import events, open_log
from lockstep.session.build import live, replayed
from lockstep.session.config import MachineConfig
from lockstep.session.console import Console

DEMO = str(files("lockstep.ui") / "data" / "demo.elf")
MACHINE = {"kernel": DEMO, "bios": "none", "memory": 16 << 20, "smp": 2}
EVERY = 20_000


def digests(path):
    return [(e["at"], e["total"]) for e in events(path) if e["kind"] == "checkpoint"]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The demo, live, with keys typed into it."""
    path = tmp_path_factory.mktemp("law") / "r"
    return path, api.record(path, typed=b"heads or tails", digest_every=EVERY, **MACHINE)


def test_a_replay_matches_every_digest_and_every_byte(recorded):
    """Twice, so that the first left nothing behind."""
    path, made = recorded
    for _ in range(2):
        assert api.replay(path) == made
    assert len(digests(path)) > 3


def test_the_reference_replays_what_the_interpreter_recorded(recorded):
    """Engines differ in nothing a guest can see."""
    path, made = recorded
    assert api.replay(path, engine="reference") == made


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_hash_seeds_do_not_matter(recorded, hash_seed):
    """No set or dict order reaches the guest or its digests."""
    path, made = recorded
    done = subprocess.run(
        [sys.executable, "-m", "lockstep", "replay", str(path)],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, made.console), done.stderr


def test_two_runs_differ_and_two_seeded_ones_do_not(tmp_path):
    """The clock and entropy are real, unless they are computed from a seed."""
    runs = [api.run(**MACHINE, idle="skip").console for _ in range(2)]
    assert runs[0] != runs[1]
    for name in ("a", "b"):
        api.record(tmp_path / name, digest_every=EVERY, idle="skip", seed=7, **MACHINE)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    api.record(tmp_path / "c", digest_every=EVERY, idle="skip", seed=8, **MACHINE)
    assert digests(tmp_path / "a") != digests(tmp_path / "c")


def test_a_seeded_run_is_the_same_under_every_engine(tmp_path):
    """No log in common at all."""
    for engine in ENGINES:
        api.record(
            tmp_path / engine, digest_every=EVERY, idle="skip", seed=7, engine=engine, **MACHINE
        )
    assert digests(tmp_path / "interp") == digests(tmp_path / "reference")
    assert digests(tmp_path / "auto") == digests(tmp_path / "reference")


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_when_there_are_regions_changes_nothing(recorded, monkeypatch, seed):
    """At once, or as it comes: what is hot, and what is there already, is not an input."""
    path, made = recorded
    with_whims(monkeypatch, seed)
    assert api.replay(path, engine="auto") == made


class Nagging:
    """Stops the machine every so often, at instants that no one can foresee."""

    def __init__(self, session):
        self.session = session
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.nag)

    def nag(self):
        while not self.over.wait(random.uniform(0, 0.0005)):
            self.session._vcpu.nudge()
            if random.random() < 0.02:
                self.session.mailbox.leave(lambda: None)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def test_periods_cut_at_random_instants_give_the_same_digests(tmp_path):
    """Where a period ends changes nothing: seeded runs, one left alone and two that are nagged."""
    config = MachineConfig(**MACHINE, idle="skip", seed=7)
    api.record(tmp_path / "calm", digest_every=EVERY, idle="skip", seed=7, **MACHINE)
    for name in ("one", "two"):
        with (
            live(
                config, Console(NullSerial()), recording=tmp_path / name, digest_every=EVERY
            ) as session,
            Nagging(session),
        ):
            session.run()
        assert digests(tmp_path / name) == digests(tmp_path / "calm")


def test_a_nagged_replay_matches(recorded):
    """The log is consumed and the digests match, however the replay is interrupted."""
    path, made = recorded
    with (
        open_log(path) as log,
        replayed(log, Console(NullSerial())) as session,
        Nagging(session),
    ):
        assert session.run() == made.outcome


def test_a_replay_may_stop_anywhere(recorded):
    """To the instruction, and everything up to there matched."""
    path, made = recorded
    rng = random.Random(1)
    for _ in range(5):
        until = rng.randrange(made.outcome.instructions)
        run = api.replay(path, until=until)
        assert run.outcome.instructions == Icount(until)
        assert made.console.startswith(run.console)
