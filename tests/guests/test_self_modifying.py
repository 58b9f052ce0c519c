"""Code that changes while it runs hot: guests/tests/selfmod.c, in every engine and in QEMU."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from conformance.machines import QEMU, require_qemu
from fakes.engines import NATIVE, with_whims
from lockstep.session import api

from .conftest import built

CASES = 17


@pytest.fixture(autouse=True, params=[None, 1], ids=["at once", "as it comes"])
def whims(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """When there are regions of what runs."""
    with_whims(monkeypatch, request.param)


def record(recording: Path, name: str, engine: str, harts: int, digest_every: int) -> list[str]:
    """Run it to its end; the lines that it prints."""
    made = api.record(
        recording, kernel=str(built(name)), bios="none", memory=16 << 20, smp=harts,
        engine=engine, digest_every=digest_every, pace="none",
    )  # fmt: skip
    assert made.outcome.reason == "poweroff", made.console.decode()
    return made.console.decode().splitlines()


def results(lines: list[str], how: str) -> list[list[str]]:
    """What each case gave, run that way, and the sum of it all."""
    return [line.split()[1:] for line in lines if line.startswith(how)]


def on_qemu(name: str, harts: int) -> list[str]:
    command = [
        QEMU, "-M", "virt", "-smp", str(harts), "-m", "16M", "-nodefaults", "-display", "none",
        "-serial", "stdio", "-bios", "none", "-kernel", str(built(name)),
    ]  # fmt: skip
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("harts", [1, 2])
@pytest.mark.parametrize("engine", NATIVE)
def test_changed_code_runs_as_in_the_reference(engine: str, harts: int, tmp_path: Path) -> None:
    """Console and digests, every few thousand instructions."""
    recording = tmp_path / "short.lockstep"
    lines = record(recording, "selfmod-short", engine, harts, digest_every=5_000)
    assert len(results(lines, "fenced")) == CASES + 1
    assert results(lines, "exact") == results(lines, "fenced")
    assert api.replay(recording, engine="reference").console.decode().splitlines() == lines


@pytest.mark.parametrize("harts", [1, 2])
@pytest.mark.parametrize("engine", NATIVE)
def test_changed_hot_code_runs_as_in_qemu(engine: str, harts: int, tmp_path: Path) -> None:
    """Hundreds of millions of instructions, and without fences as with them; the recording of one
    engine replays on the other."""
    recording = tmp_path / "long.lockstep"
    lines = record(recording, "selfmod", engine, harts, digest_every=10_000_000)
    assert results(lines, "exact") == results(lines, "fenced")
    assert api.replay(recording, engine="interp").console.decode().splitlines() == lines
    require_qemu()
    assert results(on_qemu("selfmod", harts), "fenced") == results(lines, "fenced")
