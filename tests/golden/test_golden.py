"""Recordings of every version of the format, kept for years: they read as ever, and replay.

If one does not: the format changed without a new VERSION, or the machine did, or an engine is
wrong. Mend that; never make a golden recording anew.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lockstep.replay.format import VERSION
from lockstep.session import api, archive

from .record import facts

HERE = Path(__file__).parent
VERSIONS = sorted(HERE.glob("v*"))
EXPECTED = {
    version.name: json.loads((version / "expected.json").read_text()) for version in VERSIONS
}


@pytest.fixture(params=sorted(HERE.glob("v*/*.lockstep")), ids=lambda path: path.stem)
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A copy, with its -wal file if it has one, and what must be found in it."""
    kept: Path = request.param
    for each in kept.parent.glob(f"{kept.name}*"):
        shutil.copy(each, tmp_path)
    return tmp_path / kept.name, EXPECTED[kept.parent.name][kept.name]


def test_it_reads_as_ever(golden: tuple[Path, dict[str, Any]]) -> None:
    """The same numbers as on the day that it was made."""
    path, expected = golden
    assert facts(path) == expected
    assert archive.check(path)["complete"] == expected["complete"]
    assert sum(1 for _ in archive.events(path)) == sum(expected["events"].values())


def test_it_replays_as_ever(golden: tuple[Path, dict[str, Any]]) -> None:
    """Digest for digest, from the file alone."""
    path, expected = golden
    replayed = api.replay(path)
    assert replayed.outcome.instructions == expected["instructions"]
    assert len(replayed.console) == expected["output_bytes"]["serial0"]


@pytest.mark.parametrize("name", EXPECTED["v1"])
def test_statistics_are_there_from_revision_3_on(name: str) -> None:
    """Whatever was counted then; nothing before."""
    known = archive.info(HERE / "v1" / name)
    assert bool(known["stats"]) == (known["revision"] >= 3)
    if known["stats"]:
        assert known["stats"]["instructions"] == known["instructions"]
        assert known["stats"]["session_ns"] > known["stats"]["run_ns"] > 0


def test_every_version_has_some() -> None:
    """Of the kinds that there are: complete, killed, recovered; and small."""
    assert [each.name for each in VERSIONS] == [f"v{n}" for n in range(1, VERSION + 1)]
    assert sum(each.stat().st_size for each in HERE.glob("v*/*")) < 200_000 * VERSION
    for version in VERSIONS:
        states = {(each["complete"], each["ended_by"]) for each in EXPECTED[version.name].values()}
        assert states >= {(True, "poweroff"), (False, None), (True, "cut")}


@pytest.mark.parametrize("name", EXPECTED["v1"])
def test_the_guests_code_is_there_from_revision_4_on(name: str) -> None:
    """What it said of itself, if it did."""
    known = archive.info(HERE / "v1" / name)
    code = {"fail": 7, "poweroff": 0}.get(known["ended_by"])
    assert known["guest_code"] == (code if known["revision"] >= 4 else None)
