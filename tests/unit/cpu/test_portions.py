"""The interpreter compiled in portions: together they are all of it, whoever made them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.cpu.native.objects import Aide, Interpreter, interpreter_objects, load
from lockstep.cpu.native.regions.compiler import answer


def dead(request: bytes) -> None:
    """An aide that has ended."""


@pytest.mark.parametrize("aide", [answer, dead])
def test_portions_are_the_whole_interpreter(
    aide: Aide, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Compiled here or by an aide, kept, and found again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    said: list[str] = []
    made = interpreter_objects(said.append, aide)
    assert len(made) == 2
    assert Interpreter(made).handlers.keys() == load(print).handlers.keys()
    assert interpreter_objects(said.append, None) == made
    assert len(said) == 1
