"""The table of instructions, as a whole."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lockstep.isa.table import table

_LIST = "from lockstep.isa.table import table; print(*(one.name for one in table()))"


@pytest.mark.parametrize("first", ["a", "zicbo", "priv"])
def test_its_order_does_not_depend_on_what_was_imported_first(first: str) -> None:
    """Compiled code that another process kept knows handlers by number."""
    program = f"import lockstep.isa.ext.{first}; {_LIST}"
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout.split() == [one.name for one in table()]
