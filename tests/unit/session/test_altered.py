"""Whatever a log says, in good order and with right checksums, a replay ends with 3 or 4."""

from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from lockstep.errors import BadRecording, LockstepError
from lockstep.replay.chain import AlteredLog
from lockstep.replay.format import (
    Answer,
    Arrived,
    Checkpoint,
    Entropy,
    Logged,
    Power,
    SerialInput,
    WallClock,
    Warp,
)
from lockstep.replay.log import LogReader
from lockstep.session import api
from stress.faults.tamper import tamper

GUESTS = Path(__file__).parents[3] / "guests" / "build"
DEMO = str(files("lockstep.ui") / "data" / "demo.elf")


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay that fails without code from the cache is not tried again: see test_blame.py."""
    monkeypatch.setenv("LOCKSTEP_CACHE_SIZE", "0")


@pytest.fixture(scope="module", params=["real", "skip"])
def recording(request, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("altered") / "demo"
    machine = {"kernel": DEMO, "bios": "none", "memory": 16 << 20, "idle": request.param}
    api.record(path, digest_every=20_000, typed=b"hello", **machine)
    return path


def change(recording: Path, target: Path, alter, *, sealed: bool) -> LockstepError:
    """How the replay of an altered copy ends."""
    tamper(recording, target, alter, sealed=sealed)
    with pytest.raises(LockstepError) as caught:
        api.replay(target)
    return caught.value


@pytest.mark.parametrize("sealed", [True, False], ids=["sealed", "unsealed"])
@pytest.mark.parametrize(
    "event",
    [
        Arrived("net0", b"x"),
        Arrived("plic", b"x"),
        Arrived("warp", b"abc"),
        Power("explode"),
        Power("reset"),
        Power("quit"),
        Warp(2**64 - 1),
        Warp(2**63),
        Warp(0),
        Warp(None),
        SerialInput("serial0", b""),
        SerialInput("serial9", b"x"),
        SerialInput("serial0", b"x" * 100_000),
        Answer("rtc", "wall-clock", b"abc"),
        Entropy("board", b"x"),
        WallClock("rtc", 0),
        Checkpoint("periodic", bytes(16), {}, {}),
        Checkpoint("reset", bytes(16), {}, {}),
    ],
    ids=str,
)
def test_an_event_that_never_was(recording, tmp_path, event, sealed) -> None:
    """In the middle of the log, between two others."""

    def add(logged: list[Logged]) -> list[Logged]:
        middle = len(logged) // 2
        return [*logged[:middle], Logged(logged[middle].at, event), *logged[middle:]]

    error = change(recording, tmp_path / "x", add, sealed=sealed)
    assert error.exit_status in (3, 4)
    assert error.remedy


def test_something_that_the_machine_cannot_take_is_named(recording, tmp_path) -> None:
    def add(logged: list[Logged]) -> list[Logged]:
        return [*logged[:5], Logged(logged[5].at, Arrived("net0", b"x")), *logged[5:]]

    error = change(recording, tmp_path / "x", add, sealed=True)
    assert isinstance(error, BadRecording)
    assert "something arrived at port 'net0', which this machine lacks" in str(error)


@pytest.mark.parametrize("jumps", [(Warp(2**64 - 1),), (Warp(2**62),) * 3], ids=["one", "three"])
def test_the_clock_does_not_jump_past_the_end_of_time(tmp_path, jumps) -> None:
    """Not at once nor by and by, wherever in the log that stands; also of a guest that never
    waited, whose next event is a digest of the time."""
    recording = tmp_path / "irq"
    machine = {"kernel": str(GUESTS / "irq.elf"), "bios": "none", "memory": 16 << 20}
    api.record(recording, digest_every=5_000, **machine)
    log = LogReader(recording)
    count = sum(1 for _ in log.events())
    log.close()
    for where in range(0, count, count // 12):

        def add(logged: list[Logged], n: int = where) -> list[Logged]:
            return [*logged[:n], *(Logged(logged[n].at, jump) for jump in jumps), *logged[n:]]

        error = change(recording, tmp_path / "x", add, sealed=True)
        assert error.exit_status in (3, 4), where
        assert error.remedy


@pytest.fixture(scope="module")
def spinning(tmp_path_factory) -> Path:
    """Of a machine that does nothing new: its checkpoints are further and further apart."""
    path = tmp_path_factory.mktemp("spinning") / "spin"
    kernel = path.with_suffix(".bin")
    kernel.write_bytes((0x6F).to_bytes(4, "little"))  # j .
    machine = {"kernel": str(kernel), "bios": "none", "memory": 16 << 20, "pace": "none"}
    api.record(path, digest_every=1_000, until=5_000_000, **machine)
    return path


def test_a_periodic_checkpoint_that_is_missing(recording, tmp_path) -> None:
    """Whichever it is, and though no other says anything of it: they are due by the manifest."""
    check_each_is_missed(recording, tmp_path)


def test_one_that_is_missing_where_nothing_new_was_done(spinning, tmp_path) -> None:
    """They are due by the one before."""
    check_each_is_missed(spinning, tmp_path)


def check_each_is_missed(recording: Path, tmp_path: Path) -> None:
    """Without any one of its periodic checkpoints a recording is refused."""
    log = LogReader(recording)
    periodic = [n for n, each in enumerate(log.events()) if is_periodic(each)]
    log.close()
    for missing in periodic:

        def drop(logged: list[Logged], n: int = missing) -> list[Logged]:
            return logged[:n] + logged[n + 1 :]

        error = change(recording, tmp_path / "x", drop, sealed=True)
        assert error.exit_status in (3, 4), periodic.index(missing)


def is_periodic(logged: Logged) -> bool:
    return isinstance(logged.event, Checkpoint) and logged.event.reason == "periodic"


def test_a_checkpoint_that_does_not_fit_itself(recording, tmp_path) -> None:
    """A wrong digest of a part beside the right one of the whole."""

    def spoil(logged: list[Logged]) -> list[Logged]:
        n = max(n for n, each in enumerate(logged) if isinstance(each.event, Checkpoint))
        at, event = logged[n]
        spoilt = msgspec.structs.replace(event, parts={**event.parts, "ram": b"\0\0\0\0"})
        return [*logged[:n], Logged(at, spoilt), *logged[n + 1 :]]

    error = change(recording, tmp_path / "x", spoil, sealed=True)
    assert isinstance(error, AlteredLog)
    assert error.first < error.last
