"""A stop request takes effect within a millisecond, whatever the guest does."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable

import pytest

from conformance.assembler import Assembler
from fakes.rig import BASE, T0, T1, Bench

STOPS = 40
AT_MOST_S = 0.001


def spinning(code: Assembler) -> None:
    """The fastest guest there is."""
    code.label("loop")
    code.branch("jal", "loop", rd=0)


def switching(code: Assembler) -> None:
    """Two address spaces in turn: every instruction is a slow one."""
    code.constant(T0, 8 << 60 | BASE >> 12)
    code.constant(T1, 8 << 60 | (BASE >> 12) + 1)
    code.label("loop")
    code.csr_write("satp", T0)
    code.csr_write("satp", T1)
    code.branch("jal", "loop", rd=0)


@pytest.mark.parametrize("guest", [spinning, switching], ids=lambda g: g.__name__)
def test_a_stop_takes_effect_within_a_millisecond(guest: Callable[[Assembler], None]) -> None:
    """Judged by the quicker quarter of many: the host may be busy with something else."""
    bench = Bench("interp")
    guest(bench.code)
    bench.start()
    asked = 0.0
    taken: list[float] = []
    stopped, over = threading.Event(), threading.Event()

    def run() -> None:
        while not over.is_set():
            bench.cpu.run(1 << 62)
            taken.append(time.monotonic() - asked)
            stopped.set()

    thread = threading.Thread(target=run)
    thread.start()
    for number in range(STOPS):
        before = bench.cpu.icount
        while bench.cpu.icount == before:  # until it runs
            time.sleep(0.0005)
        if number == STOPS - 1:
            over.set()
        asked = time.monotonic()
        bench.cpu.request_stop()
        assert stopped.wait(10)
        stopped.clear()
    thread.join(10)
    assert statistics.quantiles(taken, n=4)[0] < AT_MOST_S
