"""Around a device: an outlet that remembers, lines that show their level, and a bus of its own."""

from __future__ import annotations

from contextlib import nullcontext

from lockstep.machine.bus import Bus
from lockstep.machine.device import Device


class FakeOutlet:
    """Says what time the test says it is and keeps what was emitted."""

    def __init__(self, wall_ns: int = 1_700_000_000_123_456_789) -> None:
        self.wall_ns = wall_ns
        self.asked: list[str] = []
        self.emitted = b""

    def ask(self, question: str, size: int) -> bytes:
        self.asked.append(question)
        return self.wall_ns.to_bytes(size, "little")

    def emit(self, data: bytes) -> None:
        self.emitted += data


class FakeLine:
    """An interrupt line's far end."""

    def __init__(self) -> None:
        self.level = False
        self.rises = 0

    def __call__(self, level: bool) -> None:
        self.rises += level and not self.level
        self.level = level


class Guest:
    """Reads and writes one device as a guest would; it is at address 0."""

    def __init__(self, device: Device, size: int = 4) -> None:
        self.bus = Bus(nullcontext())
        self.bus.attach(0, device)
        self.size = size

    def __getitem__(self, offset: int) -> int:
        return self.bus.read(offset, self.size)

    def __setitem__(self, offset: int, value: int) -> None:
        self.bus.write(offset, self.size, value)
