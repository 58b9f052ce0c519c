"""What holds for every device: restore undoes, reset forgets, equal states have equal digests."""

import random
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.device import FakeLine, FakeOutlet
from lockstep.cpu.memory import Ram
from lockstep.det.state import canonical_bytes
from lockstep.machine.device import Device
from lockstep.machine.devices.aclint import Mswi, Mtimer, Sswi
from lockstep.machine.devices.finisher import Finisher
from lockstep.machine.devices.fw_cfg import FwCfg
from lockstep.machine.devices.goldfish_rtc import GoldfishRtc
from lockstep.machine.devices.htif import Htif
from lockstep.machine.devices.pcie import EmptyPcieWindow
from lockstep.machine.devices.pflash import EmptyPflash
from lockstep.machine.devices.plic import Plic
from lockstep.machine.devices.rom import Rom
from lockstep.machine.devices.uart16550 import Uart16550
from lockstep.machine.devices.virtio_mmio import EmptyVirtioMmio


class StillTimebase:
    """A timebase that keeps nothing."""

    def ticks(self) -> int:
        return 0

    def set_ticks(self, value: int) -> None:
        pass

    def compare(self, hart: int) -> int:
        return 0

    def set_compare(self, hart: int, value: int) -> None:
        pass


def lines(count: int) -> list[FakeLine]:
    return [FakeLine() for _ in range(count)]


MAKERS: dict[str, Callable[[], Device]] = {
    "uart16550": lambda: Uart16550(FakeOutlet(), FakeLine()),
    "plic": lambda: Plic(lines(4)),
    "goldfish_rtc": lambda: GoldfishRtc(FakeOutlet(), FakeLine(), lambda: 1_000, lambda: None),
    "mswi": lambda: Mswi(lines(2)),
    "sswi": lambda: Sswi(lines(2)),
    "mtimer": lambda: Mtimer(StillTimebase(), 2),
    "finisher": lambda: Finisher(lambda command, code: None),
    "rom": Rom,
    "htif": lambda: Htif(
        Ram(1 << 31, 4096),
        (1 << 31, 8 + (1 << 31)),
        FakeOutlet(),
        lambda code: None,
        lambda: 1_000,
        lambda: None,
        64,
    ),
    "virtio_mmio": EmptyVirtioMmio,
    "pcie": lambda: EmptyPcieWindow(0x1_0000),
    "fw_cfg": lambda: FwCfg(2),
    "pflash": lambda: EmptyPflash(32 << 20),
    "uart16550 on today's board": lambda: Uart16550(FakeOutlet(), FakeLine(), FakeLine()),
}

COMMANDS = (0x10, 0x20, 0x40, 0x50, 0x60, 0x70, 0x90, 0x98, 0xD0, 0xFF, 0x1234)
"""Some that a flash chip knows."""


def exercise(device: Device, seed: int, steps: int = 60) -> list[int]:
    """Random accesses, arrivals and level changes; what the guest read."""
    rng = random.Random(seed)
    accesses = sorted(device.accesses(), key=lambda a: (a.offset, a.size, a.reader is None))
    read = []
    for _ in range(steps):
        access = rng.choice(accesses) if accesses else None
        if device.span and rng.random() < 0.3:
            size = rng.choice(device.reserved_sizes)
            offset = rng.randrange(0, device.span // size) * size
            device.write_elsewhere(offset, size, rng.choice(COMMANDS))
            read.append(device.read_elsewhere(offset, size))
        if isinstance(device, Plic) and rng.random() < 0.3:
            device.drive(rng.randrange(1, 96), rng.random() < 0.5)
        elif isinstance(device, Uart16550) and rng.random() < 0.2:
            device.receive(rng.randbytes(rng.randrange(40)))
            if rng.random() < 0.3:
                device.receive_break()
        elif isinstance(device, Htif):
            if rng.random() < 0.5:
                device.stored((1 << 31) + rng.choice((0, 4)), 4)
            else:
                device.run_timers(1_000)
        elif access and access.reader:
            read.append(access.reader())
        elif access and access.writer:
            access.writer(rng.getrandbits(8 * access.size))
    return read


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(0, 1 << 32))
def test_a_restored_device_behaves_as_the_saved_one(name: str, before: int, after: int) -> None:
    """Even one that was used for something else meanwhile, and through canonical bytes."""
    device, other = MAKERS[name](), MAKERS[name]()
    exercise(device, before)
    exercise(other, after)
    saved = canonical_bytes(device.save())
    other.restore(msgspec.msgpack.decode(saved, type=device.State))
    assert canonical_bytes(other.save()) == saved
    assert exercise(device, after) == exercise(other, after)
    assert device.save() == other.save()


@pytest.mark.parametrize("name", MAKERS)
def test_a_saved_state_does_not_change_with_the_device(name: str) -> None:
    """It shares nothing with it."""
    device = MAKERS[name]()
    exercise(device, 1)
    saved = device.save()
    frozen = canonical_bytes(saved)
    exercise(device, 2)
    assert canonical_bytes(saved) == frozen


@pytest.mark.parametrize("name", MAKERS)
def test_reset_makes_a_device_new(name: str) -> None:
    """Nothing survives."""
    device = MAKERS[name]()
    exercise(device, 3)
    device.reset()
    assert device.save() == MAKERS[name]().save()


@pytest.mark.parametrize("name", MAKERS)
def test_registers_do_not_overlap_and_lie_inside(name: str) -> None:
    """The table lists each address, size and direction once."""
    device = MAKERS[name]()
    seen = [(a.offset, a.size, a.reader is None) for a in device.accesses()]
    assert len(seen) == len(set(seen))
    assert all(offset + size <= device.span for offset, size, _ in seen)
