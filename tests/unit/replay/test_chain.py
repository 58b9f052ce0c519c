"""The checksum through the whole log: events that are not those that were logged are noticed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fakes.toys import ScriptedWorld, ToyMachine
from lockstep.det.instant import Icount
from lockstep.det.locks import Locks
from lockstep.det.world import Arrival
from lockstep.replay.chain import AlteredLog, Chain
from lockstep.replay.divergence import ReplayDivergence
from lockstep.replay.format import REVISION, Logged, Manifest, SerialInput, WallClock
from lockstep.replay.log import LogReader, LogWriter
from lockstep.replay.recorder import Recorder
from lockstep.replay.replayer import Replayer
from stress.faults.tamper import tamper

END = 1000
SCRIPT = ((120, Arrival("serial0", b"ls\n")), (410, Arrival("serial0", b"exit\n")))


@pytest.fixture
def locks() -> Locks:
    locks = Locks(enabled=True)
    locks.replay.acquire()
    return locks


@pytest.fixture
def recorded(tmp_path: Path, locks: Locks) -> Path:
    """Digests at 0, 250, 500, 750 and 1000; the clock is read at 50, 150, ..."""
    path = tmp_path / "toy"
    machine = ToyMachine()
    log = LogWriter(path, Manifest({}, 250, revision=REVISION))
    recorder = Recorder(ScriptedWorld(SCRIPT), log, lambda: machine.now, locks.replay)
    machine.run(recorder, END)
    log.finish(machine.now, 1.0, "poweroff")
    return path


def replay(path: Path, locks: Locks) -> None:
    machine = ToyMachine()
    replayer = Replayer(LogReader(path), lambda: machine.now, locks.replay)
    machine.run(replayer, END)
    replayer.check_finished()


def without(at: int, kind: type):
    """Drop the event of this kind at an instant."""
    return lambda logged: [x for x in logged if not (x.at == at and isinstance(x.event, kind))]


def test_a_log_that_was_written_by_the_same_codec_is_the_same(recorded, tmp_path, locks) -> None:
    tamper(recorded, tmp_path / "copy", lambda logged: logged)
    assert list(LogReader(tmp_path / "copy").events()) == list(LogReader(recorded).events())
    replay(tmp_path / "copy", locks)


def test_reading_says_between_which_checkpoints_it_was_altered(recorded, tmp_path) -> None:
    tamper(recorded, tmp_path / "altered", without(350, WallClock))
    read = []
    with pytest.raises(AlteredLog, match="from instruction 250 to 500") as caught:
        read.extend(LogReader(tmp_path / "altered").events())
    assert read[-1].at == 450
    assert caught.value.exit_status == 4


def test_a_replay_that_diverges_says_that_the_log_is_to_blame(recorded, tmp_path, locks) -> None:
    tamper(recorded, tmp_path / "altered", without(350, WallClock))
    with pytest.raises(ReplayDivergence) as caught:
        replay(tmp_path / "altered", locks)
    report = caught.value.report
    assert (report.at, report.agreed, report.altered) == (350, 250, (250, 500))
    assert "the log itself was altered" in str(caught.value)


def test_an_answer_that_was_altered_is_noticed_at_the_next_checkpoint(
    recorded, tmp_path, locks
) -> None:
    """The machine takes whatever the log says; but the log does not fit itself."""

    def change(logged: list[Logged]) -> list[Logged]:
        return [
            Logged(at, msgspec.structs.replace(event, data=b"rm\n"))
            if isinstance(event, SerialInput) and at == 120
            else Logged(at, event)
            for at, event in logged
        ]

    tamper(recorded, tmp_path / "altered", change)
    with pytest.raises(AlteredLog, match="from instruction 0 to 250"):
        replay(tmp_path / "altered", locks)
    tamper(recorded, tmp_path / "sealed", change, sealed=True)
    with pytest.raises(ReplayDivergence, match="diverged at instruction 250"):
        replay(tmp_path / "sealed", locks)


def test_what_follows_the_last_checkpoint_is_checked_too(recorded, tmp_path) -> None:
    extra = Logged(Icount(END), SerialInput("serial0", b"!"))
    tamper(recorded, tmp_path / "altered", lambda logged: [*logged, extra])
    with pytest.raises(AlteredLog, match="from instruction 1_000 to 1_000"):
        list(LogReader(tmp_path / "altered").events())


def test_fields_appended_by_a_later_version_do_not_matter() -> None:
    """As long as they have their defaults."""

    class Longer(WallClock, frozen=True, tag=1):
        zone: int = 0
        names: tuple[int, ...] = ()

    def value(event: WallClock) -> int:
        chain = Chain()
        chain.add(Logged(Icount(5), event))
        return chain.value

    assert value(Longer("rtc", 7)) == value(WallClock("rtc", 7))
    assert value(Longer("rtc", 7, 1)) != value(WallClock("rtc", 7))


def test_a_log_of_a_later_revision_is_not_doubted(recorded, tmp_path, monkeypatch) -> None:
    """It may have what this version does not see."""
    monkeypatch.setattr("lockstep.replay.log.REVISION", REVISION - 1)
    tamper(recorded, tmp_path / "altered", without(350, WallClock))
    assert len(list(LogReader(tmp_path / "altered").events())) > 0
