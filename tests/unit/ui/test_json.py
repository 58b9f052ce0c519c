"""--json: every verb's result as one object, and its errors, too."""

import json

import pytest

from lockstep.det.instant import Icount
from lockstep.replay.format import WallClock
from lockstep.session.outcome import Outcome
from lockstep.ui.cli.again import Replayed
from stress.faults.tamper import tamper

from .test_cli import FAST

LIVE = ("run", "record", "replay")
VERBS = (
    *(*LIVE, "info", "events", "verify", "profile", "recover", "pack"),
    *("demo", "guests fetch", "images", "images list", "images clear", "cache", "cache clear"),
)
FAIL = (
    0x001002B7,  # lui t0, 0x100
    0x00073337,  # lui t1, 0x73
    0x33330313,  # addi t1, t1, 0x333
    0x0062A023,  # sw t1, 0(t0)
)


@pytest.fixture
def recording(cli, tmp_path):
    assert cli("record", "-o", tmp_path / "r", *FAST).status == 0
    return tmp_path / "r"


def result(done):
    """The last line of standard error, and no other message beside it."""
    (line,) = done.err.splitlines()
    return json.loads(line)


def test_how_a_session_ended(cli, tmp_path):
    """Of all that run a guest; its console alone is on standard output."""
    path = tmp_path / "r"
    for verb in (("run", *FAST), ("record", "-o", path, *FAST), ("replay", path)):
        plain, done = (
            cli(*verb),
            cli(*verb, "--json", *(["--force"] if verb[0] == "record" else [])),
        )
        assert done.status == 0
        assert done.out == plain.out
        found = result(done)
        assert {name: found[name] for name in ("ok", "exit_status", "ended_by", "guest_code")} == {
            "ok": True,
            "exit_status": 0,
            "ended_by": "poweroff",
            "guest_code": 0,
        }
        assert f"{found['instructions']:,} instructions" in plain.err
        assert found["virtual_ns"] > 4 * found["instructions"]
        assert found["recording"] == (None if verb[0] == "run" else str(path))
        assert found["stats"]["instructions"] == found["instructions"]


def test_a_guest_that_fails_is_a_result(cli, tmp_path):
    """Its code comes along with the status."""
    (tmp_path / "fail.bin").write_bytes(b"".join(word.to_bytes(4, "little") for word in FAIL))
    options = ("--bios", "none", "--kernel", tmp_path / "fail.bin", "--serial", "null", "--json")
    found = result(cli("run", *options))
    assert (found["ok"], found["exit_status"], found["guest_code"]) == (False, 1, 7)


def test_a_part_of_a_replay(cli, recording):
    """Says where it stopped."""
    found = result(cli("replay", recording, "--until", "50%", "--json"))
    whole = json.loads(cli("info", recording, "--json").out)["instructions"]
    assert (found["ended_by"], found["instructions"]) == ("until", whole // 2)


def test_a_divergence_comes_with_its_report(cli, recording, tmp_path):
    """As `verify` has it."""

    def change(logged):
        return [each for each in logged if not isinstance(each.event, WallClock)]

    tamper(recording, tmp_path / "altered", change, sealed=True)
    done = cli("replay", tmp_path / "altered", "--json")
    found = json.loads(done.err.splitlines()[-1])  # after the word that it is tried again
    said = json.loads(cli("verify", tmp_path / "altered", "--json").out)
    assert (found["exit_status"], found["kind"]) == (3, "divergence")
    assert found["report"] == said["report"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("wrong", [("--no-such-option",), ("nowhere/r", "and", "more")])
def test_a_wrong_command_line(cli, verb, wrong):
    """Status, kind, message and remedy, where the verb's result would be."""
    done = cli(*verb.split(), "--json", *wrong)
    said, silent = (done.err, done.out) if verb in LIVE else (done.out, done.err)
    found = json.loads(said)
    assert silent == ""
    assert (done.status, found["exit_status"], found["kind"]) == (2, 2, "usage")
    assert (found["ok"], bool(found["error"]), bool(found["remedy"])) == (False, True, True)


@pytest.mark.parametrize(
    "verb", ["replay", "info", "events", "verify", "profile", "recover", "pack"]
)
def test_a_file_that_is_no_recording(cli, tmp_path, verb):
    """The kind tells it from one that is not there."""
    (tmp_path / "r").write_text("thesis")
    done = cli(verb, tmp_path / "r", "--json")
    found = json.loads(done.err if verb in LIVE else done.out)
    assert (done.status, found["exit_status"], found["kind"]) == (4, 4, "bad-recording")
    assert "is not a lockstep recording" in found["error"]


def test_events_end_with_the_error_in_a_line(cli, recording):
    """After those that can be read."""
    content = bytearray(recording.read_bytes())
    at = content.rindex(b"shutdown") if b"shutdown" in content else len(content) // 2
    content[at] ^= 1
    recording.write_bytes(content)
    done = cli("events", "--json", recording)
    *_, last = [json.loads(line) for line in done.out.splitlines()]
    assert (done.status, last["kind"]) == (4, "bad-recording")


def test_a_replay_that_is_given_up_is_no_success(cli, recording, monkeypatch):
    """And not an error, either."""
    outcome = Outcome("interrupt", 1000, 4000, given_up=True)
    monkeypatch.setattr(
        "lockstep.ui.cli.again.run_again", lambda *_, **__: Replayed(outcome, {}, True, Icount(9))
    )
    done = cli("verify", "--json", recording)
    assert done.status == 130
    assert json.loads(done.out) == {
        "ok": False,
        "exit_status": 130,
        "ended_by": "interrupt",
        "instructions": 1000,
    }


def test_ctrl_c_in_between_is_told(cli, recording, monkeypatch):
    """Where there is no session that could end."""

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("lockstep.session.archive.summarize", interrupted)
    done = cli("info", "--json", recording)
    found = json.loads(done.out)
    assert (done.status, found["exit_status"], found["kind"]) == (130, 130, "stopped")


def test_the_demo_says_whether_it_matched(cli):
    """And nothing else."""
    found = json.loads(cli("demo", "--json").out)
    assert found["ok"] is True
    assert found["instructions"] > 0


def test_a_bug_is_told_as_json_too(cli, monkeypatch, recording):
    """After its traceback, which goes to standard error."""

    def broken(_):
        raise ZeroDivisionError

    monkeypatch.setattr("lockstep.session.archive.summarize", broken)
    done = cli("info", "--json", recording)
    assert (done.status, json.loads(done.out)["kind"]) == (5, "internal")
    assert "ZeroDivisionError" in done.err


@pytest.mark.parametrize("verb", ["", "guests", *VERBS])
def test_help_is_not_cut(cli, verb):
    """Each verb says what it takes; a recording need not be named."""
    done = cli(*verb.split(), "--help")
    assert done.status == 0
    assert "..." not in done.out.replace("[ARGS]...", "")
    if "[REC]" in done.out:
        assert "the one that was made last" in done.out
