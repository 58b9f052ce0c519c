"""A guest does the same whatever the cache has of its code: the real compiler, and the real store.

Debian's boot does so in test_debian.py. Conformance programs and the demo are over before anything
is compiled: they meet regions that are made at once.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fakes.process import lockstep
from lockstep.session import api

from .conftest import built

EVERY = 10_000_000
MOST_REPLAYS = 8
"""What is ordered late in a session may not be compiled before it is over."""


def in_regions(stats: bytes) -> int:
    """How many instructions regions did, as `--stats` says."""
    found = re.search(rb"in regions +([\d,]+)", stats)
    assert found is not None, stats
    return int(found[1].replace(b",", b""))


def test_a_cold_cache_and_a_warm_one_give_the_same(tmp_path: Path) -> None:
    """Recorded with nothing in the cache, replayed with more each time, until it is of use."""
    recording, cache = tmp_path / "r", tmp_path / "cache"
    guest = ("--kernel", built("selfmod"), "--bios", "none", "--memory", "16M", "--pace", "none")
    made = lockstep("record", "-o", recording, "--digest-every", EVERY, *guest, cache=cache)
    assert made.returncode == 0, made.stderr
    for _ in range(MOST_REPLAYS):
        done = lockstep("replay", recording, "--stats", cache=cache)
        assert (done.returncode, done.stdout) == (0, made.stdout), done.stderr
        if in_regions(done.stderr) > 10_000:
            break
    else:
        pytest.fail("there were never any regions from the cache")
    assert api.replay(recording, engine="interp").console == made.stdout
