"""An inquiry finds the instruction and the value, and tells whose fault it was."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from lockstep.cpu.native.engine import NativeEngine
from lockstep.cpu.state import HartState
from lockstep.det.instant import Icount
from lockstep.machine.machine import Machine
from lockstep.replay.format import Logged, WallClock
from lockstep.session import api
from lockstep.session.locate.inquiry import inquire
from lockstep.session.locate.plain import plain
from lockstep.session.locate.rerun import Conditions, Recorded
from lockstep.session.symbols import Symbols
from stress.faults.tamper import tamper

DEMO = Path(str(files("lockstep.ui") / "data" / "demo.elf"))
F27 = 27
AT = Icount(123_457)
SYMBOLS = Symbols({0x8000_0000: "start", 0x8000_0100: "main"})


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("locate") / "demo"
    api.record(
        path,
        kernel=str(DEMO),
        bios="none",
        memory=16 << 20,
        smp=2,
        idle="skip",
        digest_every=50_000,
    )
    return path


def inquiry(recording: Path, act: Callable[[Machine], None]):
    return inquire(Recorded(recording), Conditions(acts={AT: [act]}), SYMBOLS)


def flip_register(machine: Machine) -> None:
    machine.cpu.harts[1].f[F27] ^= 1 << 40


def flip_memory(machine: Machine) -> None:
    address = machine.ram.base + machine.ram.size - 5000
    machine.ram.write(address, b"\x10")


def flip_device(machine: Machine) -> None:
    rtc = machine.devices["rtc"]
    rtc.restore(msgspec.structs.replace(rtc.save(), alarm=4))


def test_a_good_recording_has_nothing_to_be_found(recording) -> None:
    assert inquire(Recorded(recording), Conditions()) == (None, None)


@pytest.mark.parametrize(
    ("act", "difference"),
    [
        (flip_register, "hart 1 f27: expected 0x0, came 0x10000000000"),
        (
            flip_memory,
            "ram page 0x80ffe000, byte 0xc78: expected 00 00 00 00 00 00 00 00, "
            "came 10 00 00 00 00 00 00 00",
        ),
        (flip_device, "rtc alarm: expected 0x0, came 0x4"),
    ],
)
def test_a_disturbed_run_is_located_to_the_instruction_and_the_value(
    recording, act, difference
) -> None:
    """Against a second run, which passes."""
    verdict = inquiry(recording, act)
    assert verdict.failure.exit_status == 3
    found = verdict.found
    assert (found.cause, found.first, found.last) == ("transient", AT - 1, AT)
    assert [str(each) for each in found.differences] == [difference]
    assert found.instruction
    assert re.fullmatch(r"(start|main)(\+0x[0-9a-f]+)?", found.place.symbol)
    assert f"wrong:        at instruction {AT:_}" in found.text()


def test_the_report_itself_has_the_value_from_the_recordings_codes(recording) -> None:
    """Nothing but the log and the machine that failed: f27 is not used, so it stays wrong alone."""
    report = inquiry(recording, flip_register).failure.report
    assert [str(each) for each in report.differences] == [
        "hart 1 f27: expected 0x0, came 0x10000000000"
    ]
    assert (report.agreed, report.at, report.checkpoint) == (100_000, 150_000, "periodic")
    assert [place.hart for place in report.harts] == [0, 1]
    assert all(place.symbol for place in report.harts)


def test_json_has_it_all(recording) -> None:
    verdict = inquiry(recording, flip_device)
    said = msgspec.json.decode(msgspec.json.encode(plain(verdict.failure, verdict.found)))
    assert (said["ok"], said["exit_status"]) == (False, 3)
    assert said["report"]["differences"] == [
        {"part": "rtc", "where": "alarm", "expected": "0x0", "actual": "0x4"}
    ]
    assert said["found"]["differences"] == said["report"]["differences"]
    assert said["found"]["place"]["pc"].startswith("0x8000")


def test_a_wrong_engine_is_told_by_the_other(recording, monkeypatch) -> None:
    """A native engine that gets an instruction wrong, the same each time it runs."""
    right = NativeEngine.run

    def wrong(self: NativeEngine) -> int:
        status = right(self)
        if not getattr(self, "erred", False) and machine_of[0].cpu.icount >= AT:
            self.erred = True
            machine_of[0].cpu.harts[0].f[F27] ^= 2
        return status

    machine_of = watch_machines(monkeypatch)
    monkeypatch.setattr(NativeEngine, "run", wrong)
    verdict = inquire(Recorded(recording), Conditions())
    assert verdict.found.cause == "engine"
    assert verdict.found.last == AT
    assert [str(each) for each in verdict.found.differences] == [
        "hart 0 f27: expected 0x0, came 0x2"
    ]
    assert "passes here on the reference engine" in verdict.found.said


def test_a_host_that_leaks_in_is_unsteady(recording, monkeypatch) -> None:
    """Every run gets something else wrong."""
    numbers = itertools.count(1)
    fields = HartState.fields
    this_run = [0]

    def leaky(self: HartState) -> dict[str, int]:
        return {**fields(self), "f27": this_run[0]}

    def new_run(self: Machine) -> None:
        this_run[0] = next(numbers)

    watch_machines(monkeypatch, new_run)
    monkeypatch.setattr(HartState, "fields", leaky)
    verdict = inquire(Recorded(recording), Conditions())
    assert verdict.found.cause == "unsteady"


def test_a_log_that_never_was_is_blamed_on_the_recording(recording, tmp_path) -> None:
    """Sealed as if it had been recorded like this: no run can be right."""

    spoil(recording, tmp_path / "sealed")
    verdict = inquire(Recorded(tmp_path / "sealed"), Conditions())
    assert verdict.found.cause == "recording"
    assert verdict.found.first <= 123_457
    assert "every run fails alike" in verdict.found.text()


def test_the_reference_is_not_asked_for_too_much(recording, tmp_path, monkeypatch) -> None:
    """It would take hours; and that is said."""
    monkeypatch.setattr("lockstep.session.locate.inquiry._REFERENCE_LIMIT", 10)
    spoil(recording, tmp_path / "spoilt")
    verdict = inquire(Recorded(tmp_path / "spoilt"), Conditions())
    assert verdict.found.cause == "recording"
    assert "the reference engine was not asked" in verdict.found.said


def spoil(recording: Path, target: Path) -> None:
    """A copy in which the clock says something else, as if it had."""

    def change(logged: list[Logged]) -> list[Logged]:
        number = next(n for n, each in enumerate(logged) if isinstance(each.event, WallClock))
        at, event = logged[number]
        other = Logged(at, msgspec.structs.replace(event, ns=event.ns + 12345))
        return [*logged[:number], other, *logged[number + 1 :]]

    tamper(recording, target, change, sealed=True)


def watch_machines(monkeypatch, also=lambda machine: None) -> list[Machine]:
    """A list that always holds the newest machine."""
    newest: list[Machine] = []
    init = Machine.__init__

    def watched(self: Machine, *args) -> None:
        newest[:] = [self]
        also(self)
        init(self, *args)

    monkeypatch.setattr(Machine, "__init__", watched)
    return newest
