"""The main job: an unmodified Debian boots under `record`, and `replay` reproduces it."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from fakes.engines import Whims
from fakes.process import busy_cores, lockstep, recorded
from lockstep.host.guests import GuestSet
from lockstep.session import api
from lockstep.session.archive import events

QEMU = "qemu-system-riscv64"
NUMBERS = 300_000  # that the script has md5sum read
QUIET = BUSY = 5  # replays of each recording; there are two recordings


class Boot(NamedTuple):
    path: Path
    console: bytes


@pytest.fixture(scope="module", params=[1, 4], ids=lambda n: f"smp{n}")
def recording(
    request: pytest.FixtureRequest, boot: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Boot:
    """One boot, recorded as a user would."""
    path = tmp_path_factory.mktemp("debian") / "boot.lockstep"
    return Boot(path, recorded(path, "--smp", request.param, *boot))


@pytest.mark.xdist_group("debian")
def test_the_script_ran_to_its_end(recording: Boot) -> None:
    """Shell, date, /dev/urandom, sleep and md5sum worked, and the machine powered off."""
    text = recording.console.decode(errors="replace")
    assert "lockstep: userspace reached" in text
    assert len(re.findall(r"^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d UTC 20\d\d\r?$", text, re.M)) == 2
    assert re.search(r"^entropy: [0-9a-f]{32}\r?$", text, re.M)
    numbers = "".join(f"{n}\n" for n in range(1, NUMBERS + 1)).encode()
    assert f"{hashlib.md5(numbers).hexdigest()}  -" in text
    assert "lockstep: done" in text
    assert "reboot: Power down" in text
    found = api.info(recording.path)
    assert found["complete"]
    assert found["log_bytes"] <= 60_000


@pytest.mark.xdist_group("debian")
@pytest.mark.parametrize("number", range(QUIET))
def test_a_replay_is_the_same_in_every_digest_and_byte(recording: Boot, number: int) -> None:
    """Exit status 0 says the whole log was consumed and every digest matched."""
    done = lockstep("replay", recording.path, hash_seed=number)
    assert (done.returncode, done.stdout) == (0, recording.console), done.stderr


@pytest.mark.xdist_group("debian")
@pytest.mark.parametrize("number", range(BUSY))
def test_a_replay_on_a_busy_host_is_the_same(recording: Boot, number: int) -> None:
    """How the host schedules us is not an input."""
    with busy_cores():
        done = lockstep("replay", recording.path, hash_seed=1000 + number)
    assert (done.returncode, done.stdout) == (0, recording.console), done.stderr


@pytest.mark.xdist_group("debian")
def test_a_replay_with_a_cold_cache_and_a_warm_one_is_the_same(
    recording: Boot, tmp_path: Path
) -> None:
    """First nothing is compiled, then some of it, then more."""
    for _ in range(3):
        done = lockstep("replay", recording.path, cache=tmp_path)
        assert (done.returncode, done.stdout) == (0, recording.console), done.stderr
    assert (tmp_path / "regions.sqlite").exists()


@pytest.mark.xdist_group("debian")
def test_the_interpreter_alone_replays_it(recording: Boot) -> None:
    """What regions did can be done without any."""
    assert api.replay(recording.path, engine="interp").console == recording.console


@pytest.mark.xdist_group("debian")
def test_a_replay_with_other_thresholds_is_the_same(
    recording: Boot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a page is hot is random for each, and each time."""
    whims = Whims(seed=4)
    monkeypatch.setattr("lockstep.cpu.native.regions.service.Geometric", lambda: whims)
    assert api.replay(recording.path, engine="auto").console == recording.console
    assert whims.orders > 100  # some 1,000, but how many depends on how fast the host compiles


@pytest.mark.xdist_group("debian")
def test_another_recording_differs(recording: Boot, boot: list[str], tmp_path: Path) -> None:
    """The clock and the entropy are real."""
    smp = api.info(recording.path)["machine"]["smp"]
    again = recorded(tmp_path / "r", "--smp", smp, *boot)
    assert again != recording.console
    one, two = api.info(recording.path), api.info(tmp_path / "r")
    assert one["final_digest"] != two["final_digest"]


@pytest.mark.xdist_group("debian")
def test_without_a_host_two_recordings_are_one(boot: list[str], tmp_path: Path) -> None:
    """`--idle skip --seed` and no input: nothing nondeterministic is left to log."""
    options = ["--idle", "skip", "--seed", 7, "--smp", 2, "--serial", "null", *boot]
    for name in "ab":
        recorded(tmp_path / name, *options)
    one, two = ([e for e in events(tmp_path / n) if e["kind"] == "checkpoint"] for n in "ab")
    assert one == two
    assert len(one) > 5


@pytest.mark.xdist_group("debian")
def test_it_boots_with_qemus_own_device_tree(boot: list[str], tmp_path: Path) -> None:
    """What QEMU's board has is there to be probed, and whatever its harts do is done."""
    if shutil.which(QEMU) is None:
        pytest.skip(f"there is no {QEMU}; `make system` installs it")
    tree = tmp_path / "qemu.dtb"
    subprocess.run([QEMU, "-M", f"virt,dumpdtb={tree}", "-m", "512M"], check=True, timeout=60)
    console = recorded(tmp_path / "r", "--idle", "skip", "--dtb", tree, *boot)
    assert b"pci_bus 0000:00" in console
    assert b"lockstep: done" in console
    assert b"reboot: Power down" in console


def test_the_guests_are_what_the_issue_names(debian: GuestSet) -> None:
    """Debian's 6.12 kernel, from the verified archive."""
    assert b"Linux version 6.12." in debian.kernel.read_bytes()
