"""Where things are kept."""

from pathlib import Path

import pytest

from lockstep import places


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
