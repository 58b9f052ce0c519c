"""A profile says where the instructions went, all of them, and says it alike on every engine."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.engines import ENGINES, with_whims
from lockstep.det.instant import FOREVER, Icount
from lockstep.errors import UsageError
from lockstep.session import api
from lockstep.session.profile import Sampler, profile, strata
from lockstep.session.symbols import Symbols

GUESTS = Path(__file__).parents[3] / "guests" / "build"
DEMO = GUESTS / "demo.elf"
A_WHILE = 100_000  # instructions: the reference engine is slow


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "demo"
    machine = {"kernel": str(DEMO), "bios": "none", "memory": 16 << 20, "smp": 2}
    api.record(path, idle="skip", seed=1, digest_every=20_000, **machine)
    return path


@pytest.fixture(scope="module")
def symbols() -> Symbols:
    return Symbols.read(DEMO)


@given(st.integers(0, 1 << 40), st.integers(1, 100_000), st.integers(1, 5_000))
def test_every_instruction_is_in_one_stratum(first: int, count: int, every: int) -> None:
    """And each stratum is looked at after one of its own."""
    count = min(count, 100 * every)
    at = first
    for each in strata(Icount(first), Icount(first + count), every):
        assert at < each.at <= each.end == at + each.size
        at = each.end
    assert at == first + count


def test_what_has_a_rhythm_is_seen_at_every_beat_of_it() -> None:
    """Five harts with turns of 20,000, looked at once in 50,000: each gets its fifth."""
    plan = strata(Icount(0), Icount(50_000_000), 50_000)
    turns = Counter((each.at - 1) // 20_000 % 5 for each in plan)
    assert all(190 <= turns[hart] <= 210 for hart in range(5))


@pytest.mark.parametrize("every", [1_000, 7_777, 10**9])
def test_the_functions_come_to_all_instructions(recording, symbols, every) -> None:
    """Those of all harts together, and the last stratum is as large as what is left."""
    found = profile(recording, symbols, every=every)
    assert found.instructions == api.info(recording)["instructions"]
    assert sum(each.instructions for each in found.functions) == found.instructions
    assert sum(sum(each.harts) for each in found.functions) == found.instructions
    assert sum(each.samples for each in found.functions) == found.samples
    assert found.samples == -(-found.instructions // every)
    assert found.outcome.reason == "poweroff"


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_makes_the_same_profile(recording, symbols, monkeypatch, engine) -> None:
    """Between digests that all match: whoever looks changes nothing."""
    with_whims(monkeypatch, 1)
    options = {"first": 10_000, "last": A_WHILE, "every": 997}
    assert profile(recording, symbols, engine=engine, **options) == profile(
        recording, symbols, engine="interp", **options
    )


def test_samples_say_about_what_is(recording, symbols) -> None:
    """To look at one instruction of 100 finds the shares that looking at all of them does."""
    few, all_of_them = (
        {
            each.symbol: each.instructions / A_WHILE
            for each in profile(recording, symbols, last=A_WHILE, every=every).functions
        }
        for every in (100, 1)
    )
    assert max(all_of_them, key=all_of_them.__getitem__) == "main"
    for name, share in all_of_them.items():
        assert few.get(name, 0) == pytest.approx(share, abs=0.02)


def test_without_symbols_it_goes_by_pages(recording) -> None:
    """All of this guest's code is on its first."""
    (page,) = profile(recording, every=10_000).functions
    assert (page.symbol, page.address, page.mode) == ("", "0x80000000", "M")


def test_a_program_is_told_from_its_kernel(tmp_path) -> None:
    """By its privilege, and both from what started them."""
    guest = GUESTS / "syscall.elf"
    path = tmp_path / "syscall"
    api.record(path, kernel=str(guest), bios="none", memory=128 << 20)
    found = profile(path, Symbols.read(guest), last=3_000_000, every=1_000)
    modes = {each.symbol: each.mode for each in found.functions}
    assert (modes["user_main"], modes["kernel"], modes["_start"]) == ("U", "S", "M")


def test_an_interrupted_profile_counts_what_was_run(recording, symbols) -> None:
    """Ctrl-C ends the replay; strata that were run to their ends are in the profile, but for a last
    one whose sample is due at its very end: what comes next would have taken it."""

    def tell(now: Icount, host_ns: int) -> None:
        if now > 0:
            os.kill(os.getpid(), signal.SIGINT)

    found = profile(recording, symbols, every=5, tell=tell)
    assert found.outcome.given_up
    assert found.outcome.instructions - 5 <= found.last <= found.outcome.instructions
    assert sum(each.instructions for each in found.functions) == found.last


def test_a_stratum_that_was_not_run_to_its_end_is_not_counted() -> None:
    """Although it was looked at."""
    sampler = Sampler(strata(Icount(0), Icount(25), 10))
    hart = SimpleNamespace(pc=0x8000_0000, priv=3)
    sampler.machine = SimpleNamespace(cpu=SimpleNamespace(turn=(0, 5), harts=[hart]))
    sampler.around(SimpleNamespace(horizon=lambda now: FOREVER, checkpoint=lambda *_: None))
    now = Icount(0)
    while (now := sampler.horizon(now)) < FOREVER:
        sampler.checkpoint("periodic", now, dict)
    assert list(sampler.instructions.values()) == [25]
    sampler.settle(Icount(25))
    assert list(sampler.instructions.values()) == [25]
    sampler.settle(Icount(24))
    assert list(sampler.instructions.values()) == [20]


@pytest.mark.parametrize(("first", "last"), [(1 << 40, None), (500, 500), (500, 499)])
def test_no_instructions_have_no_profile(recording, first, last) -> None:
    """Whoever asks for some that there are not is told how many there are."""
    with pytest.raises(UsageError, match="no instructions") as raised:
        profile(recording, first=first, last=last)
    there_are = api.info(recording)["instructions"]
    assert f"the recording has {there_are:,}" in raised.value.remedy
