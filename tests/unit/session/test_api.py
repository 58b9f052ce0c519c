"""What a program may ask for: what the command line may. All else could not be replayed."""

import os
import signal
from importlib.resources import files
from pathlib import Path

import pytest

from fakes.speaker import speaker
from lockstep.errors import BadRecording, LockstepError, UsageError
from lockstep.host.serial import NullSerial
from lockstep.session import api
from lockstep.session.config import MOST_APPEND, MachineConfig, config_from_manifest

DEMO = Path(str(files("lockstep.ui") / "data" / "demo.elf"))
MACHINE = {"kernel": DEMO, "bios": "none", "memory": 16 << 20, "idle": "skip", "seed": 1}

OF_A_MACHINE = [
    *({"idle": each} for each in ("never", 1, None, b"skip")),
    *({"engine": each} for each in ("steam", 1)),
    *({"seed": each} for each in (1.5, "1", True, 1 << 63, 10**5000)),
    *({"smp": each} for each in (True, 1.5, "2", 0, 9, None, 10**400)),
    *({"shift": each} for each in (-1, 11, 2.0)),
    *({"quantum": each} for each in (0, -1, None)),
    *({"memory": each} for each in (1.5, 0, -1, 4097, True, 10**400)),
    *({"append": each} for each in (b"x", 1, "a\0b", "\ud800", "x" * (MOST_APPEND + 1), None)),
    *({"no_reboot": each} for each in (1, "yes")),
    *({"kernel": each} for each in ("a\0b", "\udcff")),
    {"turbo": True},
]
OF_A_RECORDING = [
    *({"digest_every": each} for each in (-5, 1.5, True, "1", None, 1 << 64, 10**400)),
    *({"embed": each} for each in (1, "yes", None)),
    *({"max_log": each} for each in (-1, 1.5, True, "64M")),
]
OF_A_SESSION = [
    *({"typed": each} for each in ("x", 5, None)),
    *({"until": each} for each in (-1, 1.5, True, "soon", "99%", "-1", 10**400, b"1")),
    *({"timeout": each} for each in (0, -1, "1", float("nan"), float("inf"), 10**400, True)),
    *({"kernel": each} for each in (b"/x", 3, object())),
    *({"memory": each} for each in ("lots", "", b"16M")),
]


def name(options):
    return "-".join(f"{key}={value!r}"[:20] for key, value in options.items() if value != 10**5000)


@pytest.mark.parametrize("options", OF_A_MACHINE + OF_A_RECORDING + OF_A_SESSION, ids=name)
def test_what_cannot_be_asked_for(tmp_path, options):
    """A usage error that names it, and nothing is written."""
    with pytest.raises(UsageError) as caught:
        api.record(tmp_path / "r", **{**MACHINE, **options})
    (option,) = options
    assert option in str(caught.value)
    assert caught.value.remedy
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("machine", OF_A_MACHINE, ids=name)
def test_the_same_of_a_manifest(machine):
    """There it is the recording that is bad. What it does not know may be null."""
    stored = {"kernel": "/k", **machine}
    with pytest.raises(BadRecording):
        config_from_manifest(stored)


@pytest.mark.parametrize(
    "machine", [each for each in OF_A_MACHINE if "turbo" not in each], ids=name
)
def test_the_same_of_a_configuration(machine):
    """However it was made."""
    with pytest.raises(UsageError):
        MachineConfig(**{"kernel": "/k", **machine}).check()


@pytest.mark.parametrize("path", [3, None, b"r", "a\0b"])
@pytest.mark.parametrize("call", [api.record, api.replay, api.info, api.events])
def test_what_is_not_the_path_of_a_recording(call, path):
    """A usage error, of whatever function."""
    with pytest.raises(UsageError, match="path"):
        call(path, **(MACHINE if call is api.record else {}))


@pytest.mark.parametrize(
    "options",
    [
        *({"until": each} for each in (-1, 1.5, True, "soon", 10**400)),
        *({"realtime": each} for each in (1, "no", None)),
        *({"engine": each} for each in ("steam", 1)),
    ],
    ids=name,
)
def test_what_cannot_be_asked_of_a_replay(tmp_path, options):
    api.record(tmp_path / "r", until=10, **MACHINE)
    with pytest.raises(UsageError):
        api.replay(tmp_path / "r", **options)


@pytest.mark.parametrize(
    ("until", "instructions"),
    [(4_000, 4_000), ("4k", 4_000), ("50%", 5_000), ("-1,000", 9_000), ("16us", 1_066)],
)
def test_a_replay_to_an_instant(tmp_path, until, instructions):
    """As people write it; a time, too, although this machine skips its waits."""
    assert api.record(tmp_path / "r", until=10_000, **MACHINE).outcome.instructions == 10_000
    assert api.replay(tmp_path / "r", until=until).outcome.instructions == instructions


def test_a_session_that_takes_too_long(tmp_path):
    """It ends, and its recording with it."""
    made = api.record(tmp_path / "r", timeout=0.05, **{**MACHINE, "append": "", "idle": "real"})
    assert made.outcome.reason == "timeout"
    assert api.replay(tmp_path / "r").outcome == made.outcome


@pytest.mark.parametrize("append", ["", "x" * MOST_APPEND, "console=ttyS0 ä"])
def test_command_lines_that_are_taken(tmp_path, append):
    """Up to the stated bound."""
    made = api.record(tmp_path / "r", until=100, **{**MACHINE, "append": append})
    assert api.replay(tmp_path / "r").outcome == made.outcome


def test_every_error_is_ours(tmp_path):
    """A missing image, too."""
    with pytest.raises(LockstepError):
        api.run(kernel=tmp_path / "none", bios="none")


def test_a_seed_is_all_of_the_outside(tmp_path):
    """The same number, the same run, and nothing to log; another number, another clock."""
    one, same, other = (
        api.record(tmp_path / name, **{**MACHINE, "seed": seed, "smp": 2})
        for name, seed in (("one", 7), ("same", 7), ("other", 8))
    )
    assert one == same
    clocks = [
        [event["ns"] for event in api.events(tmp_path / name) if event["kind"] == "wall-clock"]
        for name in ("one", "same", "other")
    ]
    assert clocks[0] == clocks[1]
    assert clocks[0][0] != clocks[2][0]
    assert api.replay(tmp_path / "other").console == other.console


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_program_and_leaves_a_complete_recording(number, tmp_path, monkeypatch):
    """A test that drives a guest is ended by Ctrl-C, and not only its machine."""
    kernel = speaker(tmp_path / "kernel", b"!", keys=1)
    monkeypatch.setattr(NullSerial, "can_receive", lambda self: True)
    monkeypatch.setattr(api._KeptOutput, "emit", lambda *_: os.kill(os.getpid(), number))
    with pytest.raises(KeyboardInterrupt):
        api.record(tmp_path / "r", kernel=kernel, bios="none", memory=32 << 20)
    found = api.info(tmp_path / "r")
    assert found["complete"]
    assert found["ended_by"] in ("interrupt", "terminate")
