"""Where things are kept."""

from pathlib import Path

import pytest

from lockstep import places
from lockstep.errors import HostFailure


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCKSTEP_CACHE", raising=False)


@pytest.mark.parametrize("variable", [None, "", "relative/path"])
def test_without_a_usable_variable_it_is_the_home_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str | None
) -> None:
    """A relative path would be another one in every directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if variable is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", variable)
    assert places.cache_directory() == tmp_path / ".cache" / "lockstep"


def test_nothing_is_kept_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who moves the cache moves all of it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for place in (places.interpreter_objects(), places.compiled_regions(), places.guests()):
        assert place.parent == tmp_path / "lockstep"


def test_who_says_where_is_asked_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The directory itself, whatever XDG_CACHE_HOME says; links are followed once, here."""
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("LOCKSTEP_CACHE", str(tmp_path / "link"))
    assert places.cache_directory() == tmp_path / "real"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCKSTEP_CACHE", "here")
    assert places.cache_directory() == tmp_path / "here"


@pytest.mark.parametrize("home", ["", "relative"])
def test_without_a_home_there_is_no_place(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    """Neither in the environment nor in the user database; nothing is left where one happens to
    be."""

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(places.pwd, "getpwuid", unknown)
    monkeypatch.setenv("HOME", home)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(HostFailure, match="no home directory") as caught:
        places.compiled_regions()
    assert "LOCKSTEP_CACHE" in caught.value.remedy


def test_data_are_kept_apart_from_what_can_be_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """$LOCKSTEP_DATA, $XDG_DATA_HOME/lockstep, ~/.local/share/lockstep."""
    monkeypatch.delenv("LOCKSTEP_DATA")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert places.images() == tmp_path / ".local/share/lockstep/images"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert places.images() == tmp_path / ".local/share/lockstep/images"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert places.images() == tmp_path / "xdg/lockstep/images"
    monkeypatch.setenv("LOCKSTEP_DATA", str(tmp_path / "own"))
    assert places.images() == tmp_path / "own/images"
