"""Ctrl-C ends every verb that reads, over any file, within two seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# The verb, in which a library of C is at work for a minute with the interpreter's lock released,
# as SQLite's check of a database is, LLVM, or a hash of a big image.
BUSY = """
import sqlite3, sys
from lockstep import stops
stops.arm()
LONG = ("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 1000000000) "
        "SELECT count(*) FROM c")
sys.argv = ["lockstep", *sys.argv[1:]]
from lockstep.replay import log
def busy(self, path, **_):
    print("busy", file=sys.__stderr__, flush=True)
    until = __import__("time").monotonic() + 60
    while __import__("time").monotonic() < until:
        if "{how}" == "C":
            sqlite3.connect("").execute(LONG).fetchone()
log.LogReader.__init__ = busy
from lockstep.ui.cli.app import main
main()
"""


@pytest.mark.parametrize("how", ["C", "Python"])
@pytest.mark.parametrize(
    "verb", ["info", "events", "verify", "replay", "recover", "pack", "profile"]
)
def test_ctrl_c_ends_a_verb_wherever_it_is(tmp_path: Path, verb: str, how: str) -> None:
    (tmp_path / "r").write_bytes(b"")
    code = BUSY.replace("{how}", how)
    with subprocess.Popen(
        [sys.executable, "-c", code, verb, str(tmp_path / "r")],
        stderr=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    ) as process:
        assert process.stderr is not None
        assert b"busy" in process.stderr.readline()
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert time.monotonic() - began < 2
        assert b"Traceback" not in process.stderr.read()
    assert [each.name for each in tmp_path.iterdir()] == ["r"]
