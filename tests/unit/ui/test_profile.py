"""lockstep profile, as a user meets it."""

import json

import pytest

from .test_cli import BUILT, FAST

GUEST = BUILT / "demo.elf"


@pytest.fixture
def recording(cli, tmp_path):
    path = tmp_path / "r"
    assert cli("record", "-o", path, *FAST, "--kernel", GUEST).status == 0
    return path


def test_the_function_with_most_instructions_comes_first(cli, recording):
    """With its share, samples, privilege and harts, under what there was in all."""
    done = cli("profile", recording, "--symbols", GUEST, "--every", 500, "--top", 2)
    assert (done.status, done.err) == (0, "")
    first, modes, harts, empty, head, most, *_, rest = done.out.splitlines()
    assert "one in 500" in first
    assert modes == "U 0.0%  S 0.0%  M 100.0%"
    assert harts.startswith("hart 0 ")
    assert empty == ""
    assert head.split("  ")[-3:] == ["hart 0", "hart 1", "function"]
    assert most.split()[2::3] == ["M", "main"]
    assert rest.endswith(" others")


def test_it_is_the_same_every_time(cli, recording):
    """To the byte."""
    command = ("profile", recording, "--symbols", GUEST, "--every", 500)
    assert cli(*command).out == cli(*command).out


def test_a_part_of_a_recording_for_machines(cli, recording):
    """All functions of it, whatever --top says."""
    options = ("--from", 1000, "--until", 300_000, "--every", 500, "--top", 1, "--json")
    found = json.loads(cli("profile", recording, "--symbols", GUEST, *options).out)
    assert (found["first"], found["last"], found["instructions"]) == (1000, 300_000, 299_000)
    assert len(found["functions"]) > 1
    assert sum(each["instructions"] for each in found["functions"]) == 299_000
    assert found["functions"][0]["symbol"] == "main"


def test_without_symbols_the_pages_of_code_are_named(cli, recording):
    """By their addresses."""
    assert "  page 0x80000000\n" in cli("profile", recording).out
