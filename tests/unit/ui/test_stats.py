"""Where the time went: of a recorded session, and of one that has just ended."""

import json
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest

from fakes.cli import Done, run_cli
from fakes.recordings import alter_about, tamper
from lockstep.ui.cli.stats import table

Cli = Callable[..., Done]
DEMO = files("lockstep.ui") / "data" / "demo.elf"
MACHINE = ("--bios", "none", "--kernel", DEMO, "--memory", "16M", "--idle", "skip", "--seed", "1")
TOLD = ("time\n", "harts ran", "instructions\n", "register accesses")


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    return partial(run_cli, capfd, monkeypatch)


@pytest.fixture
def recorded(cli: Cli, tmp_path: Path) -> Path:
    assert cli("record", "-o", tmp_path / "r", *MACHINE).status == 0
    return tmp_path / "r"


def test_a_recording_knows_where_its_time_went(cli: Cli, recorded: Path) -> None:
    """For people, if they ask, and for machines."""
    shown = cli("info", recorded, "--stats").out
    assert all(each in shown for each in TOLD)
    assert "harts ran" not in cli("info", recorded).out
    facts = json.loads(cli("info", recorded, "--stats", "--json").out)
    stats = facts["stats"]
    assert stats["instructions"] == facts["instructions"]
    assert stats["runs"] == sum(n for name, n in stats.items() if name.startswith("exits_"))
    assert stats["session_ns"] >= stats["run_ns"] > 0
    assert stats["device_accesses"] > 100


def test_a_recording_knows_what_the_compiler_did(cli: Cli, recorded: Path) -> None:
    """As whoever merely runs the machine is told."""
    stats = json.loads(cli("info", recorded, "--json").out)["stats"]
    assert {"compile_ns", "cache_hits", "cache_misses"} <= stats.keys()


def test_a_session_tells_in_the_end_where_its_time_went(cli: Cli, recorded: Path) -> None:
    """Not among the guest's output, and only if it is asked to."""
    silent = cli("run", *MACHINE)
    again = ("record", "--force", "-o", recorded, *MACHINE)
    for verb in (("run", *MACHINE), again, ("replay", recorded)):
        done = cli(*verb, "--stats")
        assert done.status == 0
        assert done.out == silent.out
        assert all(each in done.err for each in TOLD)
    assert "harts ran" not in silent.err


def test_what_is_not_known_is_shown_as_it_is(cli: Cli, recorded: Path) -> None:
    """A later version counts more; and a stranger's file must not reach the terminal."""
    extra = {"cache_hits": 3, "compile_ns": 1_500_000_000, "odd_\x1b[2J_bytes": 7, "huge": 1e300}
    alter_about(recorded, "ending", lambda ending: ending["stats"].update(extra))
    shown = cli("info", recorded, "--stats").out
    assert "1.500 s" in shown
    assert "  pages found" in shown
    assert "odd \\x1b[2J" in shown


def test_an_old_recording_or_one_that_was_cut_has_none(cli: Cli, recorded: Path) -> None:
    """They are written at the end."""
    alter_about(recorded, "ending", lambda ending: ending.pop("stats"))
    for _ in range(2):
        done = cli("info", recorded, "--stats")
        assert done.status == 0
        assert "stats: unknown" in done.out
        tamper(recorded, "DELETE FROM ending")
    assert json.loads(cli("info", recorded, "--json").out)["stats"] == {}


def test_values_stand_in_groups_with_units_and_shares() -> None:
    """What is known has words of its own; parts are compared with the whole of their group."""
    stats = {
        "instructions": 4000,
        "instructions_native": 1000,
        "run_ns": 2_000_000_000,
        "session_ns": 8_000_000_000,
        "cache_bytes": 1234567,
        "ratio": 0.5,
    }
    assert table(stats).splitlines() == [
        "time",
        "  harts ran                2.000 s     25.0%",
        "  the session              8.000 s",
        "instructions",
        "  in all                   4,000",
        "  instructions native      1,000       25.0%",
        "  a second                 2,000",
        "cache",
        "  cache                1,234,567 bytes",
        "others",
        "  ratio                    0.500",
    ]
