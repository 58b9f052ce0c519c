"""Which recording a verb makes, replaces and means."""

import json
import subprocess
import sys

import pytest

from .test_cli import FAST


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The directory that the verbs are called in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(directory):
    return sorted(each.name for each in directory.iterdir())


def test_recordings_are_numbered_and_the_latest_is_meant(cli, here):
    """Nothing is replaced, and no verb has to be told the name."""
    for number in (1, 2):
        done = cli("record", *FAST)
        assert done.status == 0
        assert f"recorded in demo-{number}.lockstep" in done.err
    assert files(here) == ["demo-1.lockstep", "demo-2.lockstep", "latest.lockstep"]
    for verb in (
        *(("replay",), ("events",), ("verify",), ("profile",)),
        *(("info",), ("recover",), ("pack",)),
    ):
        done = cli(*verb)
        assert done.status == 0, done.err
    assert cli("info").out.startswith("demo-2.lockstep  complete")
    assert (here / "demo-2.recovered.lockstep").exists()
    assert (here / "latest.lockstep").is_symlink()
    embedded = [
        json.loads(cli("info", "--json", *which).out)["images"][0]["embedded"]
        for which in ((), ("demo-1.lockstep",))
    ]
    assert embedded == [True, False]


def test_a_recording_with_a_name_is_the_latest_of_its_directory_only(cli, here, tmp_path):
    """One that is put elsewhere leaves no link anywhere."""
    (tmp_path / "other").mkdir()
    cli("record", *FAST, "-o", "mine")
    cli("record", *FAST, "-o", "other/r")
    assert cli("info").out.split()[0] == "mine"
    assert files(tmp_path / "other") == ["r"]


def test_a_file_called_latest_stays_and_that_is_said(cli, here):
    """It is not ours."""
    (here / "latest.lockstep").write_text("mine")
    done = cli("record", *FAST)
    assert done.status == 0
    assert "latest.lockstep does not lead to this recording" in done.err
    assert (here / "latest.lockstep").read_text() == "mine"


@pytest.mark.parametrize(
    "verb", ["replay", "info", "events", "verify", "profile", "recover", "pack"]
)
def test_without_any_recording_a_verb_says_what_to_do(cli, here, verb):
    """Status 2, and nothing is left behind."""
    done = cli(verb)
    assert done.status == 2
    assert "no recording is named" in done.err
    assert "remedy: Name one" in done.err
    assert files(here) == []


def test_a_recording_is_replaced_only_by_force(cli, here):
    """By none of the verbs that write one."""
    assert cli("record", *FAST, "-o", "old").status == 0
    assert cli("record", *FAST, "-o", "new", "--append", "x").status == 0
    old = (here / "old").read_bytes()
    for again in (("record", *FAST), ("pack", "new"), ("recover", "new")):
        done = cli(*again, "-o", "old")
        assert done.status == 2
        assert "old is a recording already" in done.err
        assert "--force" in done.err
        assert (here / "old").read_bytes() == old
    assert files(here) == ["latest.lockstep", "new", "old"]
    for again in (("record", *FAST), ("pack", "new"), ("recover", "new")):
        done = cli(*again, "-o", "old", "--force")
        assert done.status == 0, done.err
        assert (here / "old").read_bytes() != old
    assert cli("verify", "old").status == 0


def test_packing_in_place_needs_no_force(cli, here):
    """Under whatever name: it is the same recording."""
    cli("record", *FAST, "-o", "r")
    for options in ((), ("-o", "r"), ("-o", here / "r"), ("-o", "latest.lockstep")):
        assert cli("pack", "r", *options).status == 0, options
    assert (here / "latest.lockstep").is_symlink()


def test_what_is_recovered_does_not_replace_what_was_before(cli, here):
    """Without -o, too: what was recovered once may have been looked into."""
    cli("record", *FAST, "-o", "r.lockstep")
    assert cli("recover").status == 0
    assert cli("recover").status == 2
    assert cli("recover", "--force").status == 0


def test_recordings_that_begin_at_once_get_numbers_of_their_own(cli, here):
    """And the latest is one of them."""
    words = (*FAST, "--append", "console=ttyS0")
    begun = [
        subprocess.Popen(
            [sys.executable, "-m", "lockstep", "record", *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    said = [each.communicate(timeout=120)[1] for each in begun]
    assert [each.returncode for each in begun] == [0, 0, 0], said
    made = [name for name in files(here) if name != "latest.lockstep"]
    assert len(made) == 3
    for name in made:
        assert sum(f"recorded in {name}" in each for each in said) == 1
        assert json.loads(cli("info", name, "--json").out)["complete"]
    assert cli("info").status == 0
