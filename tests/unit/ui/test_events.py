"""`events` for people: text as text, times beside instants, and numbers that can be typed back."""

import json
import re

import pytest

from fakes.recordings import alter_about
from lockstep.session import api
from lockstep.session.stamps import seconds
from lockstep.ui.cli.numbers import count, wall_clock
from lockstep.ui.cli.plain import quoted

from .test_cli import DEMO

TYPED = b'ls\r\x1b[2J\xff\x9b\xe2\x80\xae"caf\xc3\xa9'
"""Among it: clear the screen, a byte that is no UTF-8, C1's CSI, and an override of direction."""


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """In which the guest really waited, so that there are warps, and somebody typed."""
    path = tmp_path_factory.mktemp("recordings") / "r"
    api.record(
        path, typed=TYPED, digest_every=50_000, kernel=str(DEMO), bios="none", memory=16 << 20
    )
    return path


def every(cli, recording, *options):
    return [
        json.loads(line) for line in cli("events", recording, "--json", *options).out.splitlines()
    ]


def test_what_was_typed_is_shown_as_text(cli, recording):
    """And nothing of it reaches the terminal but characters to be read."""
    done = cli("events", recording, "--kind", "serial")
    said = r'serial0 "ls\r\x1b[2J\xff\x9b\u202e\"café"'
    assert said in done.out
    assert all(each.isprintable() for each in done.out.rstrip("\n"))


def test_checkpoints_and_warps_are_only_counted(cli, recording):
    """Between what happened; all of them are there, one by one, if they are asked for."""
    events = every(cli, recording)
    there = {
        kind: sum(each["kind"] == kind for each in events)
        for kind in ("checkpoint", "warp", "wall-clock")
    }
    assert min(there.values()) > 1
    listed = cli("events", recording).out
    for kind, number in there.items():
        counted = re.findall(rf"\.\.\. .*?(\d+) {kind}s?\b", listed)
        lines = re.findall(rf"  {kind} ", listed)
        if kind == "wall-clock":
            assert (counted, len(lines)) == ([], number)
        else:
            assert (sum(map(int, counted)), len(lines)) == (number, 0)
        for options in (("-v",), ("--verbose",), ("--kind", kind)):
            shown = cli("events", recording, *options).out
            assert len(re.findall(rf"  {kind} ", shown)) == number


def test_kinds_are_added_up_and_left_out(cli, recording):
    """By naming several, or with `no-` before the name."""
    kinds = {each["kind"] for each in every(cli, recording)}
    two = every(cli, recording, "--kind", "serial", "--kind", "warp")
    assert {each["kind"] for each in two} == {"serial", "warp"}
    rest = every(cli, recording, "--kind", "no-warp", "--kind", "no-checkpoint")
    assert {each["kind"] for each in rest} == kinds - {"warp", "checkpoint"}
    assert (
        "... " not in cli("events", recording, "--kind", "no-warp", "--kind", "no-checkpoint").out
    )
    done = cli("events", recording, "--kind", "no-nonsense")
    assert done.status == 2
    assert "no events of kind 'nonsense'" in done.err


def test_the_instants_and_times_that_are_printed_can_be_typed_back(cli, recording):
    """As they are, they lead to the event they are printed with."""
    clocks = [each for each in every(cli, recording) if each["kind"] == "wall-clock"]
    listed = cli("events", recording, "--kind", "wall-clock").out.splitlines()
    for event, line in zip(clocks, listed, strict=True):
        instant, time = line.split()[:2]
        for typed in (instant, instant.replace(",", "_"), time):
            found = every(cli, recording, "--kind", "wall-clock", "--from", typed, "--to", typed)
            assert event in found
            assert {each["at"] for each in found} == {event["at"]}


def test_virtual_time_goes_forward_by_instructions_and_warps(cli, recording):
    """4 ns an instruction, and what was waited."""
    events = every(cli, recording)
    warps = sum(each["ns"] for each in events if each["kind"] == "warp")
    assert events[0]["virtual_ns"] == 0
    assert events[-1]["virtual_ns"] == 4 * events[-1]["at"] + warps
    times = [each["virtual_ns"] for each in events]
    assert times == sorted(times)


def test_parts_of_a_recording(cli, recording):
    """By share and from its end, as well as by number."""
    events = every(cli, recording)
    end = events[-1]["at"]
    assert every(cli, recording, "--from", "0%") == events
    assert every(cli, recording, "--from", "-0") == [each for each in events if each["at"] == end]
    late = every(cli, recording, "--from", "-1,000", "--to", "100%")
    assert late == [each for each in events if each["at"] >= end - 1000]
    assert every(cli, recording, "--to", "0.05k") == [each for each in events if each["at"] <= 50]
    done = cli("events", recording, "--from", "soon")
    assert done.status == 2
    assert "--from soon" in done.err


def test_times_that_are_not_known_are_said_to_be_so(cli, tmp_path):
    """A machine that skips its waits logs no warps."""
    api.record(tmp_path / "r", kernel=str(DEMO), bios="none", memory=16 << 20, idle="skip", seed=1)
    assert cli("events", tmp_path / "r", "--kind", "entropy").out.split()[:3] == [
        "0",
        "?",
        "entropy",
    ]
    assert every(cli, tmp_path / "r")[0]["virtual_ns"] is None


@pytest.mark.parametrize("machine", [{"smp": "many"}, {"memory": "much"}, {"shift": -5}])
def test_a_machine_that_cannot_be_is_listed_all_the_same(cli, tmp_path, machine):
    """What it is made of may come from a stranger."""
    api.record(tmp_path / "r", kernel=str(DEMO), bios="none", memory=16 << 20, idle="skip", seed=1)
    alter_about(tmp_path / "r", "manifest", lambda manifest: manifest["machine"].update(machine))
    assert cli("info", tmp_path / "r").status == 0
    assert every(cli, tmp_path / "r")[0]["virtual_ns"] is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", '""'),
        (b"a\\b", r'"a\\b"'),
        (b"\n\t\x00", r'"\n\t\x00"'),
        ("\N{ZERO WIDTH SPACE}".encode(), r'"\u200b"'),
        (b"\xed\xb2\x80", r'"\xed\xb2\x80"'),  # a surrogate is no UTF-8
    ],
)
def test_bytes_between_quotes(data, said):
    """Told from each other, whatever they are."""
    assert quoted(data) == said


def test_numbers():
    """As they are printed, and read back."""
    assert seconds(1_234_567_000_000_001) == "1,234,567.000000001s"
    assert wall_clock(1_795_488_553_973_514_306) == "2026-11-24 02:49:13.973514306 UTC"
    assert wall_clock((1 << 64) - 1).startswith("2554-")
    assert wall_clock(10**30).endswith(" ns")
    assert [count(text) for text in ("50,000", "50_000", "50k", 50_000)] == [50_000] * 4


@pytest.mark.parametrize("text", ["-5", "5%", "5s", "x", ""])
def test_what_is_no_number(cli, text):
    """Is refused with the option's name."""
    done = cli("profile", "r", "--every", text)
    assert done.status == 2
    assert "--every" in done.err
