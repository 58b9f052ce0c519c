"""The bus finds the register or says that there is none, under the guard."""

from collections.abc import Callable
from contextlib import nullcontext
from types import TracebackType

import pytest

from fakes.device import FakeLine, FakeOutlet
from lockstep.errors import InternalError
from lockstep.machine.bus import Bus, BusError
from lockstep.machine.devices.aclint import Mswi
from lockstep.machine.devices.finisher import Finisher
from lockstep.machine.devices.rom import Rom
from lockstep.machine.devices.uart16550 import Uart16550


class CountingGuard:
    """A lock that says how often it was taken, and whether it is."""

    def __init__(self) -> None:
        self.taken, self.held = 0, False

    def __enter__(self) -> None:
        self.taken, self.held = self.taken + 1, True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.held = False


def test_every_device_access_holds_the_guard() -> None:
    """Reads, writes and what no register answers."""
    guard = CountingGuard()
    bus = Bus(guard)
    held = []
    bus.attach(0x1000, Mswi([lambda level: held.append(guard.held)]))
    bus.write(0x1000, 4, 1)
    bus.read(0x1000, 4)
    bus.read(0x1800, 4)
    assert held == [True]
    assert guard.taken == 3


@pytest.mark.parametrize(("addr", "size"), [(0x0, 4), (0x1000, 8), (0x1002, 4), (0x5000, 4)])
def test_nothing_there_or_not_at_that_size_is_a_bus_error(addr: int, size: int) -> None:
    """Unmapped, too wide, misaligned, just behind the end."""
    bus = Bus(nullcontext())
    bus.attach(0x1000, Mswi([FakeLine()]))
    with pytest.raises(BusError):
        bus.read(addr, size)
    with pytest.raises(BusError):
        bus.write(addr, size, 0)


def test_reserved_addresses_read_zero_and_ignore_writes() -> None:
    """Inside a device, at a size it knows."""
    bus = Bus(nullcontext())
    bus.attach(0x1000, Mswi([FakeLine()]))
    bus.write(0x1004, 4, 1)
    assert bus.read(0x1004, 4) == 0


def test_devices_may_not_overlap() -> None:
    """That would be a bug of ours."""
    bus = Bus(nullcontext())
    bus.attach(0x1000, Mswi([]))
    with pytest.raises(InternalError):
        bus.attach(0x4FFF, Mswi([]))


def test_rom_reads_at_any_size_and_cannot_be_written() -> None:
    """Little-endian, zeros behind its contents."""
    bus = Bus(nullcontext())
    rom = Rom()
    rom.contents = bytes(range(1, 13))
    bus.attach(0x1000, rom)
    bus.write(0x1000, 8, 0)
    assert bus.read(0x1000, 8) == 0x0807060504030201
    assert bus.read(0x1001, 1) == 2
    assert bus.read(0x1008, 8) == 0x0C0B0A09


@pytest.mark.parametrize(
    ("value", "heard"),
    [
        (0x5555, [(0x5555, 0)]),
        (0x7777, [(0x7777, 0)]),
        (0x0007_3333, [(0x3333, 7)]),
        (0x1234, []),
    ],
)
def test_the_finisher_passes_on_commands_it_knows(value: int, heard: list[tuple[int, int]]) -> None:
    """Only a failure has a code."""
    bus = Bus(nullcontext())
    finished: list[tuple[int, int]] = []
    bus.attach(0, Finisher(lambda command, code: finished.append((command, code))))
    bus.write(0, 4, value)
    assert finished == heard


@pytest.mark.parametrize(
    ("addr", "there"), [(0xFC0, False), (0x1000, True), (0x4FC0, True), (0x5000, False)]
)
def test_a_block_is_somewhere_if_a_window_is_in_it(addr: int, there: bool) -> None:
    """Also where no register is; nothing is read or written."""
    bus = Bus(nullcontext())
    bus.attach(0x1000, Mswi([FakeLine()]))
    if there:
        bus.probe(addr, 64)
    else:
        with pytest.raises(BusError):
            bus.probe(addr, 64)


class KnowingHarts:
    """Remember what they need not ask."""

    def __init__(self) -> None:
        self.known: tuple[int, int, int] | None = None

    def know(self, addr: int, size: int, value: int) -> None:
        self.known = (addr, size, value)

    def forget(self) -> None:
        self.known = None


class Console:
    """A UART on a bus, and who reads it."""

    LSR = 5

    def __init__(self) -> None:
        self.bus = Bus(nullcontext())
        self.harts = KnowingHarts()
        self.uart = Uart16550(FakeOutlet(), FakeLine())
        self.bus.attach(0, self.uart)
        self.bus.inform(self.harts)

    def poll(self, times: int = 2) -> None:
        for _ in range(times):
            self.bus.read(self.LSR, 1)


def test_a_register_that_says_the_same_twice_need_not_be_asked_again() -> None:
    """Once is not enough: an error that it told of is cleared by that."""
    console = Console()
    console.poll(1)
    assert console.harts.known is None
    console.poll(1)
    assert console.harts.known == (Console.LSR, 1, 0x60)


def test_what_is_cleared_by_reading_is_told_once() -> None:
    """An overrun in LSR; then the register is as it stays."""
    console = Console()
    console.bus.write(4, 1, 0x10)  # loop mode
    for _ in range(3):
        console.bus.write(0, 1, 0x41)
    said = [console.bus.read(Console.LSR, 1) for _ in range(3)]
    assert said == [0x63, 0x61, 0x61]
    assert console.harts.known == (Console.LSR, 1, 0x61)


@pytest.mark.parametrize(
    "happen",
    [
        lambda bus: bus.read(0, 1),
        lambda bus: bus.read(0x20, 4),
        lambda bus: bus.write(7, 1, 1),
        lambda bus: bus.write(0x20, 4, 1),
        lambda bus: bus.changed(),
    ],
    ids=["another read", "a read of nothing", "a write", "a write to nothing", "an arrival"],
)
def test_whatever_happens_has_it_asked_again(happen: Callable[[Bus], object]) -> None:
    """To any device: their lines connect them."""
    console = Console()
    console.poll()
    happen(console.bus)
    assert console.harts.known is None
    console.poll(1)
    assert console.harts.known is None


def test_registers_that_change_by_being_read_are_always_asked() -> None:
    """The receiver's, of whatever it received."""
    console = Console()
    console.uart.receive(b"aaaa")
    for _ in range(3):
        console.bus.read(0, 1)
    assert console.harts.known is None
