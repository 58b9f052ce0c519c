"""verify --locate, --symbols, --json and record --paranoid, as a user meets them."""

import json

import msgspec
import pytest

from lockstep.machine.machine import Machine
from lockstep.replay.format import WallClock
from stress.faults.tamper import tamper

from .test_cli import DEMO, FAST


@pytest.fixture
def recording(cli, tmp_path):
    path = tmp_path / "r"
    assert cli("record", "-o", path, "--digest-every", 50_000, *FAST).status == 0
    return path


@pytest.fixture
def disturbed(monkeypatch):
    """The first machine to be built has a bit that flips; those after it have not."""
    fields = Machine.fields
    first = []

    def flipped(self, part):
        first[:] = first or [self]
        values = fields(self, part)
        if self is first[0] and part == "hart 1":
            return {**values, "f27": 1 << 9}
        return values

    digests = Machine.digests

    def wrong(self):
        first[:] = first or [self]
        found = digests(self)
        if self is first[0] and self.cpu.icount >= 100_000:
            return msgspec.structs.replace(found, harts=[found.harts[0], bytes(16)])
        return found

    monkeypatch.setattr(Machine, "fields", flipped)
    monkeypatch.setattr(Machine, "digests", wrong)


def altered(recording, tmp_path, *, sealed):
    def change(logged):
        return [
            each._replace(event=msgspec.structs.replace(each.event, ns=1))
            if isinstance(each.event, WallClock)
            else each
            for each in logged
        ]

    tamper(recording, tmp_path / "altered", change, sealed=sealed)
    return tmp_path / "altered"


def test_a_good_recording_is_verified_either_way(cli, recording):
    """In words, and for machines."""
    for options in ((), ("--locate",)):
        done = cli("verify", recording, *options)
        assert done.status == 0
        assert "bytes of output match" in done.out
        said = json.loads(cli("verify", "--json", recording, *options).out)
        assert (said["ok"], said["exit_status"], said["complete"]) == (True, 0, True)


def test_it_cannot_be_located_without_a_replay(cli, recording):
    done = cli("verify", "--locate", "--quick", recording)
    assert done.status == 2
    assert "--quick replays nothing" in done.err


def test_damage_that_no_replay_meets_is_found_either_way(cli, recording):
    """The header says that there are free pages, which there are not."""
    content = bytearray(recording.read_bytes())
    content[36:40] = (7).to_bytes(4, "big")  # https://sqlite.org/fileformat2.html, 1.3
    recording.write_bytes(content)
    for options in ((), ("--locate",)):
        done = cli("verify", recording, *options)
        assert done.status == 4
        assert "is damaged" in done.err


def test_what_came_is_told_from_what_was_expected(cli, recording, disturbed):
    """A run that fails and another that does not."""
    done = cli("verify", "--locate", recording)
    assert done.status == 3
    assert "differing:    hart 1 f27: expected 0x0, came 0x200" in done.err
    assert "another run passes here" in done.out
    assert "still right:  at instruction 50_000" in done.out
    assert "differing:    hart 1 f27: expected 0x0, came 0x200" in done.out


def test_json_of_a_divergence(cli, recording, disturbed):
    """One object on standard output, and the same status."""
    done = cli("verify", "--locate", "--json", recording)
    assert done.status == 3
    said = json.loads(done.out)
    assert said["found"]["cause"] == "transient"
    assert said["report"]["at"] == 100_000
    assert said["report"]["differences"][0]["where"] == "f27"


def test_json_without_locating(cli, recording, tmp_path):
    """The report alone."""
    done = cli("verify", "--json", altered(recording, tmp_path, sealed=True))
    assert done.status == 3
    said = json.loads(done.out)
    assert said["report"]["kind"] in ("digest", "output", "event")
    assert "found" not in said


def test_an_altered_log_is_status_4(cli, recording, tmp_path):
    """Found by looking; the replay is not even begun."""
    path = altered(recording, tmp_path, sealed=False)
    done = cli("verify", path)
    assert done.status == 4
    assert "the log was altered" in done.err
    done = cli("verify", "--json", path)
    assert done.status == 4
    assert len(json.loads(done.out)["altered"]) == 2


def test_symbols_that_are_none(cli, recording, tmp_path):
    """Before anything is replayed."""
    done = cli("replay", recording, "--symbols", DEMO)  # the demo is stripped
    assert done.status == 2
    assert "has no symbols" in done.err
    done = cli("verify", recording, "--symbols", tmp_path / "missing")
    assert done.status == 2


def test_paranoid_takes_dense_digests(cli, tmp_path):
    """Unless they are denser already."""
    for options, every in (((), 100_000), (("--digest-every", 20_000), 20_000)):
        cli("record", "--paranoid", "--force", "-o", tmp_path / "p", *options, *FAST)
        found = json.loads(cli("info", "--json", tmp_path / "p").out)
        assert found["digest_every"] == every
