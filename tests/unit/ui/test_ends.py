"""How `run` and `record` end, as a script sees it: the status, the words, what is recorded."""

import json
from pathlib import Path

import pytest

BUILT = Path(__file__).parents[3] / "guests" / "build"
SPIN = (0x0000006F,)  # j .
SLEEP = (0x10500073, 0xFFDFF06F)  # wfi; j back
FAIL_7 = (0x001002B7, 0x00073337, 0x33330313, 0x0062A023)  # the finisher gets 0x73333


@pytest.fixture
def guest(tmp_path):
    """The options of a machine with that program."""

    def options(words):
        path = tmp_path / "guest.bin"
        path.write_bytes(b"".join(word.to_bytes(4, "little") for word in words))
        return ("--bios", "none", "--kernel", path, "--memory", "16M", "--serial", "null")

    return options


@pytest.fixture
def ending(cli, tmp_path):
    """Records, and sees that it replays to the same end with status 0; what was recorded of it."""

    def record(*arguments):
        path = tmp_path / "r"
        made = cli("record", "--force", "-o", path, *arguments)
        facts = json.loads(cli("info", path, "--json").out)
        assert facts["complete"]
        again = cli("replay", path)
        assert again.status == 0, again.err
        message, *_ = (line for line in made.err.splitlines() if " instruction" in line)
        assert message in again.err
        return made.status, facts["ended_by"], facts["guest_code"], message

    return record


@pytest.mark.parametrize(("until", "instructions"), [("12,345", "12,345"), ("80us", "20,000")])
def test_an_instant_or_a_time(ending, guest, until, instructions):
    """No failure: it is what was asked for."""
    status, ended_by, code, message = ending(*guest(SPIN), "--until", until)
    assert (status, ended_by, code) == (0, "until", None)
    assert f"after {instructions} instructions" in message


def test_a_timeout(ending, guest):
    """As timeout(1): 124."""
    assert ending(*guest(SPIN), "--timeout", "0.1")[:2] == (124, "timeout")


def test_a_guest_that_can_never_wake_again(ending, cli, guest):
    """Its own status, as only the guest knows whether it was done; or who says so."""
    assert ending(*guest(SLEEP))[:2] == (7, "idle")
    assert ending(*guest(SLEEP), "--halt-ok")[:2] == (0, "idle")
    assert cli("run", *guest(SLEEP)).status == 7
    assert cli("run", *guest(SLEEP), "--halt-ok").status == 0


def test_halt_ok_excuses_nothing_else(ending, guest):
    """A failure stays one."""
    assert ending(*guest(FAIL_7), "--halt-ok")[0] == 1


def test_the_code_of_a_failure(ending, guest):
    """In the message, and for programs."""
    status, ended_by, code, message = ending(*guest(FAIL_7))
    assert (status, ended_by, code) == (1, "fail", 7)
    assert "guest reported failure, code 7" in message


def test_a_reset_that_ends_the_session(ending):
    """Whatever the guest would do after it."""
    machine = ("--bios", "none", "--kernel", BUILT / "reboot.elf", "--memory", "16M")
    assert ending(*machine, "--serial", "null")[:3] == (0, "poweroff", 0)
    assert ending(*machine, "--serial", "null", "--no-reboot")[:3] == (0, "no-reboot", None)


@pytest.mark.parametrize(
    "options",
    [
        *(("--until", text) for text in ("soon", "99%", "-5", "1.5")),
        *(("--timeout", text) for text in ("0", "-1", "nan", "inf", "1e10", "soon")),
    ],
)
def test_what_cannot_be_asked_for(cli, guest, tmp_path, options):
    """Before anything is run or recorded."""
    done = cli("record", "-o", tmp_path / "r", *guest(SPIN), *options)
    assert done.status == 2
    assert options[0] in done.err
    assert not (tmp_path / "r").exists()
