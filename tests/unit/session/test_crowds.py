"""A recorder never puts more into one instant than a reader of its recording believes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fakes.device import FakeLine, FakeOutlet
from lockstep.det.world import Arrival, line_break
from lockstep.errors import UsageError
from lockstep.machine.device import Undeliverable
from lockstep.machine.devices.uart16550 import MOST_BREAKS, MOST_ON_WIRE, Uart16550
from lockstep.replay import bounds
from lockstep.session import api
from lockstep.session.loop import Session
from lockstep.session.outcome import POWER, SERIAL
from stress.crafted.recordings import DEMO


def desk(hungry: bool = True) -> SimpleNamespace:
    return SimpleNamespace(_cpu=SimpleNamespace(icount=5), _crowd=(0, 0), _hungry=hungry)


def admitted(at: SimpleNamespace, arrival: Arrival, count: int) -> int:
    return sum(Session._admits(at, arrival) for _ in range(count))  # type: ignore[arg-type]


def test_buttons_and_keys_at_one_instant_are_bounded() -> None:
    """Each may bring a warp, and a checkpoint if the machine starts again."""
    at = desk()
    assert admitted(at, Arrival(POWER, b"reset"), 5_000) < bounds.MAX_CHECKPOINTS_AT_INSTANT / 2
    assert admitted(at, Arrival(POWER, b"interrupt"), 1) == 1
    at._cpu.icount += 1
    assert 2 * admitted(at, Arrival(SERIAL, b"x"), 100_000) < bounds.MAX_AT_INSTANT


def test_a_break_is_a_character_that_waits_like_others() -> None:
    assert admitted(desk(hungry=False), line_break(SERIAL), 1) == 0
    assert admitted(desk(), line_break(SERIAL), 1) == 1
    assert MOST_BREAKS >= 2 * 4096  # what waits, and what comes before anybody looks


def test_what_is_typed_at_once_fits_into_an_instant() -> None:
    with pytest.raises(UsageError):
        api.run(kernel=DEMO, bios="none", typed=bytes(bounds.MAX_BYTES_AT_INSTANT))


def test_input_that_nobody_reads_does_not_fill_the_memory() -> None:
    """However it is spread over the instants."""
    device = Uart16550(FakeOutlet(), FakeLine())
    for _ in range(MOST_ON_WIRE >> 20):
        device.receive(bytes(1 << 20))
    with pytest.raises(Undeliverable, match="bytes wait to be read"):
        device.receive(bytes(1 << 20))
