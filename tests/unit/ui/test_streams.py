"""Standard streams that are closed, full or read by nobody: nothing is lost without a word."""

import os
import subprocess
import sys
from importlib.resources import files

import pytest

from lockstep.session import api

DEMO = files("lockstep.ui") / "data" / "demo.elf"
MACHINE = ("--bios", "none", "--kernel", DEMO, "--memory", "16M", "--idle", "skip", "--seed", "1")


def shell(redirections, *arguments):
    """`lockstep ARGUMENTS REDIRECTIONS`, as a shell does it."""
    return subprocess.run(
        ["sh", "-c", f'"$@" {redirections}', "sh", sys.executable, "-m", "lockstep"]
        + [str(each) for each in arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("streams") / "r"
    machine = {"kernel": str(DEMO), "bios": "none", "memory": 16 << 20, "idle": "skip", "seed": 1}
    api.record(path, **machine)
    return path


@pytest.mark.parametrize("verb", ["run", "record", "replay", "info", "events"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_into_something_full_is_a_failure_of_the_host(
    verb, unbuffered, recording, tmp_path, monkeypatch
):
    """Status 6, the reason and what to do; the recording is whole all the same."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    arguments = {"run": MACHINE, "record": ("-o", tmp_path / "r", *MACHINE)}
    done = shell(">/dev/full", verb, *arguments.get(verb, [recording]))
    assert done.returncode == 6, done.stderr
    assert os.strerror(28) in done.stderr
    assert "remedy:" in done.stderr
    assert "Traceback" not in done.stderr
    if verb == "record":
        assert "replay" in done.stderr
        assert api.info(tmp_path / "r")["complete"]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_nobodys(closed, recording, tmp_path):
    """No file that is opened later gets what was meant for it."""
    done = shell(closed, "record", "-o", tmp_path / "r", *MACHINE)
    assert done.returncode == 0, done.stderr
    assert ("lucky numbers" in done.stdout) == (">&-" not in closed.replace("2>&-", ""))
    assert shell("", "verify", tmp_path / "r").returncode == 0
    assert shell(closed, "replay", tmp_path / "r").returncode == 0
    assert api.info(tmp_path / "r")["final_digest"] == api.info(recording)["final_digest"]


def test_a_reader_who_leaves_is_not_an_error(recording):
    """`lockstep replay | head`, `lockstep run | true`."""
    assert shell("| true", "run", *MACHINE).stderr.count("remedy") == 0
    done = shell("| head -c 5", "replay", recording)
    assert "as it was recorded" in done.stderr
    assert "Error" not in shell("| true", "events", recording).stderr


def test_notes_that_cannot_be_written_do_not_end_the_machine(tmp_path):
    """Its console is what counts."""
    done = shell("2>/dev/full", "run", *MACHINE)
    assert done.returncode == 0
    assert "lucky numbers" in done.stdout
