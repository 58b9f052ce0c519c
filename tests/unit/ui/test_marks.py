"""replay --marks and --until, as a user types them."""

import json
import re
import subprocess
import sys

import pytest

from .test_cli import FAST


@pytest.fixture
def recording(cli, tmp_path):
    assert cli("record", "-o", tmp_path / "r", *FAST).status == 0
    return tmp_path / "r"


def test_a_mark_says_when_the_line_began(cli, recording):
    """A replay that stops there has shown all before it; one instruction later, the line begins."""
    plain = cli("replay", recording)
    marked = cli("replay", recording, "--marks")
    assert marked.status == 0
    lines = [
        re.fullmatch(r"\[ *([0-9,]+) +([0-9,.]+s)\] (.*)", line) for line in marked.out.splitlines()
    ]
    assert "".join(f"{each[3]}\n" for each in lines) == plain.out.replace("\r\n", "\n")
    instant, shown = lines[4][1], "".join(f"{each[3]}\n" for each in lines[:4])
    before = cli("replay", recording, "--until", instant).out.replace("\r\n", "\n")
    after = cli("replay", recording, "--until", str(int(instant.replace(",", "")) + 1)).out
    assert before == shown
    assert after.replace("\r\n", "\n") != shown


@pytest.mark.parametrize(
    ("until", "instructions"),
    [
        ("50%", lambda end: end // 2),
        ("-1,000", lambda end: end - 1000),
        ("0.2M", lambda _: 200_000),
        ("4us", lambda _: 1000),
    ],
)
def test_a_replay_stops_at_an_instant_in_any_form(cli, recording, until, instructions):
    """Times, too, though the log does not tell them: the machine knows when it is there."""
    done = cli("replay", recording, "--until", until)
    assert done.status == 0
    end = json.loads(cli("info", recording, "--json").out)["instructions"]
    assert f"after {instructions(end):,} instructions" in done.err


def test_a_reader_who_leaves_changes_no_status(recording, tmp_path):
    """What went wrong is no less wrong."""
    words = f"{sys.executable} -m lockstep info --json {tmp_path}/none | true"
    script = f"set -o pipefail; {words}"
    assert subprocess.run(["bash", "-c", script], check=False, timeout=60).returncode == 2
