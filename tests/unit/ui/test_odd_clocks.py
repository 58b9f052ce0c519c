"""A host whose clock is far off: said in words, and no reason to fail for who does not ask it."""

import json
import time

import pytest

HOUR_NS = 3_600 * 10**9


@pytest.mark.parametrize("now", [-HOUR_NS, 1 << 63], ids=["1969", "2262"])
def test_a_guest_that_asks_for_the_time(cli, tmp_path, monkeypatch, record, now):
    """Status 6, with a remedy, and a recording that is good up to there. The remedy helps."""
    monkeypatch.setattr(time, "time_ns", lambda: now)
    machine = ("--bios", "none", "--kernel", tmp_path / "demo.elf", "--memory", "16M")
    record(tmp_path / "seeded")
    done = cli("record", "-o", tmp_path / "r", *machine, "--serial", "null")
    assert done.status == 6
    assert "the host's clock is" in done.err
    assert "Traceback" not in done.err
    assert json.loads(cli("info", tmp_path / "seeded", "--json").out)["ended_by"] == "poweroff"
