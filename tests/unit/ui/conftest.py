"""The command line as the tests of this floor use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest

from fakes.cli import Done, run_cli
from fakes.terminal import Terminal

DEMO = files("lockstep.ui") / "data" / "demo.elf"


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Done]:
    """The command line in this process."""
    return partial(run_cli, capfd, monkeypatch)


@pytest.fixture
def nothing_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No image is kept for replays, nor was one."""
    monkeypatch.setenv("LOCKSTEP_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("LOCKSTEP_IMAGES_SIZE", "0")


@pytest.fixture
def record(cli: Callable[..., Done], tmp_path: Path) -> Callable[..., Done]:
    """Records a copy of the demo, which is `demo.elf` beside whatever the test makes."""
    (tmp_path / "demo.elf").write_bytes(DEMO.read_bytes())

    def recorder(path: Path, *options: object) -> Done:
        return cli(
            *("record", "-o", path, "--bios", "none", "--kernel", tmp_path / "demo.elf"),
            *("--memory", "16M", "--smp", "2", "--idle", "skip", "--seed", "1", *options),
        )

    return recorder


@pytest.fixture
def recording(record: Callable[..., Done], tmp_path: Path) -> Path:
    """A recording of a copy of the demo, with its kernel beside it."""
    path = tmp_path / "demo.lockstep"
    done = record(path)
    assert done.status == 0, done.err
    return path


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Opens terminals, with the command line in front."""
    opened = []

    def opener(*arguments: object, messages: int | None = None) -> Terminal:
        opened.append(Terminal(*arguments, messages=messages))
        return opened[-1]

    yield opener
    for each in opened:
        each.close()
