"""A replay that fails with code from the cache is tried again without, before the log is blamed."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest

from fakes.cli import Done, run_cli
from fakes.wrongcode import GREETING, counting_guest, put_wrong_regions
from lockstep.cpu.native import objects
from lockstep.cpu.native.engine import NativeEngine
from lockstep.replay.divergence import ReplayDivergence
from lockstep.replay.format import WallClock
from lockstep.session import api, codecache
from lockstep.session.locate.inquiry import inquire
from lockstep.session.locate.rerun import Conditions, Recorded
from lockstep.session.profile import profile
from stress.crafted import parts as crafted
from stress.faults.tamper import tamper

Cli = Callable[..., Done]
DEMO = Path(__file__).parents[3] / "src" / "lockstep" / "ui" / "data" / "demo.elf"
EVERY = 100_000_000
TOLD = ("trying again with code compiled anew", "the code in the cache was wrong", "was cleared")


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    return partial(run_cli, capfd, monkeypatch)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blame")
    guest = counting_guest(folder / "guest.elf")
    api.record(
        folder / "r",
        kernel=str(guest),
        bios="none",
        memory=16 << 20,
        digest_every=EVERY,
    )
    return folder / "r"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("blame") / "demo"
    api.record(path, kernel=str(DEMO), bios="none", memory=16 << 20, digest_every=20_000)
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one."""
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LOCKSTEP_CACHE_SIZE", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def wrong_regions(cache: Path) -> None:
    put_wrong_regions()


@pytest.fixture
def cached_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has its interpreter from the cache, and `compile_anew` is quick."""
    ready = objects.load(print)
    cached, anew = Beside(ready, cached=True), Beside(ready, cached=False)
    monkeypatch.setattr(objects, "_loaded", [cached])
    monkeypatch.setattr(objects, "compile_anew", lambda *_: objects._loaded.__setitem__(0, anew))


class Beside:
    """The same interpreter, from elsewhere."""

    def __init__(self, ready: objects.Interpreter, *, cached: bool) -> None:
        self.cached, self.exports, self.linker = cached, ready.exports, ready.linker
        self.handlers = ready.handlers


@pytest.fixture
def wrong_interpreter(cached_interpreter: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves something in a register which nobody uses; one that is compiled now does not."""
    run = NativeEngine.run

    def wrong(self: NativeEngine) -> int:
        status = run(self)
        if self.interpreter.cached and self._block.icount >= EVERY:
            self._block.members[0].f[27] = 1
        return status

    def keeping(self: NativeEngine, block: object, *rest: object) -> None:
        init(self, block, *rest)
        self._block = block

    init = NativeEngine.__init__
    monkeypatch.setattr(NativeEngine, "__init__", keeping)
    monkeypatch.setattr(NativeEngine, "run", wrong)


def test_replay_clears_a_wrong_cache_and_succeeds(
    cli: Cli, recording: Path, wrong_regions: None
) -> None:
    """What the guest said comes out once, though it ran twice; the cache is clean afterwards."""
    done = cli("replay", recording)
    assert done.status == 0, done.err
    assert done.out.encode() == GREETING * 2
    assert all(words in done.err for words in TOLD), done.err
    assert "everything up to there is as it was recorded" in done.err
    assert codecache.caches()["regions"].entries == 0
    assert "trying again" not in cli("replay", recording).err


def test_verify_says_that_the_recording_is_right(
    cli: Cli, recording: Path, wrong_regions: None
) -> None:
    """As JSON, too, which the note does not get into."""
    done = cli("verify", recording, "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["ok"]
    assert all(words in done.err for words in TOLD)


def test_locate_finds_that_it_was_the_cache(cli: Cli, recording: Path, wrong_regions: None) -> None:
    """And that the recording is right; so that is what it ends with."""
    done = cli("verify", recording, "--locate")
    assert done.status == 0, done.err
    assert "the code in the cache wrong" in done.out
    assert "bytes of output match" in done.out
    assert "the cache was cleared" in done.err


def test_the_api_and_the_profile_try_again(
    recording: Path, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of what came in the first run nothing is left."""
    right = profile(recording, engine="interp")
    put_wrong_regions()
    assert api.replay(recording, engine="auto").console == GREETING * 2
    put_wrong_regions()
    found = profile(recording, engine="auto")
    assert (found.functions, found.samples) == (right.functions, right.samples)
    assert capfd.readouterr().err.count(TOLD[1]) == 2


def test_a_wrong_interpreter_is_no_fault_of_the_log(
    recording: Path,
    cache: Path,
    wrong_interpreter: None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The engine without regions has its code from the cache, too."""
    assert api.replay(recording, engine="interp").console == GREETING * 2
    err = capfd.readouterr().err
    assert all(words in err for words in TOLD)


def test_an_inquiry_tells_the_cache_from_the_engine(
    recording: Path, cache: Path, wrong_interpreter: None
) -> None:
    """Two runs fail alike; the third, with the same engine compiled anew, does not."""
    found = inquire(Recorded(recording), Conditions()).found
    assert found is not None
    assert (found.cause, found.runs) == ("cache", 3)


def forged(demo: Path, target: Path) -> Path:
    """In order by itself, but not what was recorded."""

    def change(logged: list) -> list:
        return [
            each._replace(event=msgspec.structs.replace(each.event, ns=1))
            if isinstance(each.event, WallClock)
            else each
            for each in logged
        ]

    tamper(demo, target, change, sealed=True)
    return target


def test_a_log_that_is_wrong_is_blamed_after_the_second_run(
    demo: Path, tmp_path: Path, cached_interpreter: None, cli: Cli
) -> None:
    """The report says that the second one was with newly compiled code."""
    done = cli("verify", "--json", forged(demo, tmp_path / "forged"))
    assert done.status == 3
    said = json.loads(done.out)
    assert said["report"]["afresh"]
    assert "compiled anew, none from the cache" in said["error"]
    assert "trying again" in done.err
    assert "was cleared" not in done.err


def test_without_code_from_the_cache_there_is_no_second_run(demo: Path, tmp_path: Path) -> None:
    """Nor a word of it: the reference engine has no compiled code."""
    with pytest.raises(ReplayDivergence) as caught:
        api.replay(forged(demo, tmp_path / "forged"), engine="reference")
    assert not caught.value.report.afresh


def test_a_machine_that_never_ran_is_not_tried_twice(
    demo: Path, tmp_path: Path, cached_interpreter: None, cli: Cli
) -> None:
    """No compiled code can be to blame for a recording of nothing."""
    parts = crafted.read(demo)
    parts.manifest = json.dumps(json.loads(parts.manifest) | {"images": []})
    crafted.write(parts, tmp_path / "empty")
    done = cli("replay", tmp_path / "empty")
    assert done.status == 4
    assert "trying again" not in done.err
