"""lockstep cache: what there is, and how to be rid of it."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from fakes.cli import Done, run_cli
from lockstep.host.codestore import CodeStore

Cli = Callable[..., Done]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    return partial(run_cli, capfd, monkeypatch)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory with something of everything."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("LOCKSTEP_CACHE", raising=False)
    monkeypatch.delenv("LOCKSTEP_CACHE_SIZE", raising=False)
    directory = tmp_path / "lockstep"
    for name, size in (("native/a.o", 1000), ("native/b.o", 500), ("guests/trixie/Image", 70)):
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    store = CodeStore(directory / "regions.sqlite")
    store.put(b"page", b"123")
    store.put(b"page", b"4567")
    store.close()
    return directory


def test_it_shows_where_everything_is_and_how_much(cli: Cli, kept: Path) -> None:
    """For people and for machines."""
    done = cli("cache", "--json")
    assert done.status == 0
    assert json.loads(done.out) == {
        "interpreter": {"path": str(kept / "native"), "entries": 2, "bytes": 1500},
        "regions": {
            "path": str(kept / "regions.sqlite"),
            "entries": 2,
            "bytes": 7,
            "limit": 256 << 20,
        },
        "guests": {"path": str(kept / "guests"), "entries": 1, "bytes": 70},
    }
    shown = cli("cache").out
    assert "2 entries, 1,500 bytes\n" in shown
    assert str(kept / "regions.sqlite") in shown


def test_an_empty_cache_is_shown_and_not_made(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking changes nothing."""
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "none"))
    for verb in (("cache",), ("cache", "clear")):
        done = cli(*verb)
        assert done.status == 0
        assert done.out.count("0 entries, 0 bytes") == 3
    assert not (tmp_path / "none").exists()


def test_clear_removes_compiled_code_and_leaves_the_guests(cli: Cli, kept: Path) -> None:
    """They would have to be fetched again."""
    user = CodeStore(kept / "regions.sqlite")
    assert user.get(b"page")
    left = json.loads(cli("cache", "clear", "--json").out)
    assert [each["entries"] for each in left.values()] == [0, 0, 1]
    assert user.get(b"page") == []
    user.close()


def test_clear_says_if_it_cannot(cli: Cli, kept: Path) -> None:
    """And what to do about it."""
    (kept / "regions.sqlite").unlink()
    (kept / "regions.sqlite").mkdir()
    done = cli("cache", "clear")
    assert done.status == 6
    assert "could not be cleared" in done.err
    assert "remedy" in done.err


def test_a_cache_that_others_can_write_is_neither_shown_nor_cleared(cli: Cli, kept: Path) -> None:
    """By a link they could have anything removed."""
    victim = kept.parent / "victim"
    victim.mkdir()
    (victim / "file").touch()
    (kept / "native").rename(kept / "aside")
    (kept / "native").symlink_to(victim)
    kept.chmod(0o777)
    for verb in (("cache",), ("cache", "clear")):
        done = cli(*verb)
        assert done.status == 6
        assert "can be written by others (mode 777)" in done.err
        assert f"chmod go-w {kept}" in done.err
    assert (victim / "file").exists()


def test_the_size_is_the_users_choice(
    cli: Cli, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As sizes are written elsewhere."""
    for text, size in (("2G", 2 << 30), ("0", 0), ("", 256 << 20)):
        monkeypatch.setenv("LOCKSTEP_CACHE_SIZE", text)
        assert json.loads(cli("cache", "--json").out)["regions"]["limit"] == size
    monkeypatch.setenv("LOCKSTEP_CACHE_SIZE", "large")
    done = cli("cache")
    assert done.status == 2
    assert "LOCKSTEP_CACHE_SIZE large" in done.err
