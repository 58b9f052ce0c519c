"""A host that has no more threads: whichever is the first that it does not give."""

import json
import threading
from itertools import count

import pytest

PATIENCE = 40


@pytest.fixture
def scarce(monkeypatch):
    """Call with k: the host gives k threads and no more. Whether it was asked for another one."""
    real = threading._start_new_thread

    def limit(most):
        given = count()
        refused = []

        def start(*arguments):
            if next(given) >= most:
                refused.append(arguments)
                raise RuntimeError("can't start new thread")
            return real(*arguments)

        monkeypatch.setattr(threading, "_start_new_thread", start)
        return refused

    yield limit
    monkeypatch.setattr(threading, "_start_new_thread", real)


@pytest.mark.parametrize("engine", ["auto", "interp"])
@pytest.mark.parametrize("verb", ["run", "record", "replay", "verify"])
def test_whichever_thread_there_is_not(cli, record, recording, tmp_path, scarce, verb, engine):
    """Status 6 with a remedy, or all is done without that thread; no traceback, and no hang."""
    machine = ("--bios", "none", "--kernel", tmp_path / "demo.elf", "--memory", "16M")
    options = (*machine, "--idle", "skip", "--seed", "1", "--engine", engine, "--serial", "null")
    commands = {
        "run": ("run", *options),
        "record": ("record", "-o", tmp_path / "r", *options),
        "replay": ("replay", recording),
        "verify": ("verify", recording),
    }
    for most in range(PATIENCE):
        (tmp_path / "r").unlink(missing_ok=True)
        refused = scarce(most)
        done = cli(*commands[verb])
        scarce(PATIENCE)
        assert "Traceback" not in done.err
        assert done.status in ((0, 6) if refused else (0,)), done.err
        if done.status == 6:
            assert "no thread" in done.err
            assert "remedy" in done.err
        if (tmp_path / "r").exists():
            assert json.loads(cli("info", tmp_path / "r", "--json").out)["instructions"] >= 0
        if not refused:
            return
    raise AssertionError("it never has enough of them")
