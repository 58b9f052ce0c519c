"""The real-time clock: one question to the outside for each latch, and a deterministic alarm."""

from fakes.device import FakeLine, FakeOutlet, Guest
from lockstep.machine.devices.goldfish_rtc import GoldfishRtc

TIME_LOW, TIME_HIGH, ALARM_LOW, ALARM_HIGH = 0x00, 0x04, 0x08, 0x0C
IRQ_ENABLED, CLEAR_ALARM, ALARM_STATUS, CLEAR_INTERRUPT = 0x10, 0x14, 0x18, 0x1C
SECOND = 1_000_000_000


class Clock:
    """An RTC with everything around it."""

    def __init__(self) -> None:
        self.outlet = FakeOutlet()
        self.line = FakeLine()
        self.virtual_ns = 5_000
        self.moved = 0
        self.device = GoldfishRtc(self.outlet, self.line, lambda: self.virtual_ns, self.note_move)
        self.guest = Guest(self.device)

    def note_move(self) -> None:
        self.moved += 1

    def set_alarm(self, time: int) -> None:
        self.guest[ALARM_HIGH] = time >> 32
        self.guest[ALARM_LOW] = time & 0xFFFF_FFFF

    def read(self) -> int:
        low = self.guest[TIME_LOW]
        return self.guest[TIME_HIGH] << 32 | low


def test_reading_the_low_half_latches_the_high_half() -> None:
    """One question, however far apart the two reads are."""
    clock = Clock()
    before = clock.outlet.wall_ns
    low = clock.guest[TIME_LOW]
    clock.outlet.wall_ns += 1 << 40
    assert clock.guest[TIME_HIGH] << 32 | low == before
    assert clock.outlet.asked == ["wall-clock"]


def test_setting_the_clock_moves_it_relative_to_the_wall() -> None:
    """As Linux does it: high half, then low half."""
    clock = Clock()
    clock.guest[TIME_HIGH] = 0x1000
    clock.guest[TIME_LOW] = 0x2000
    clock.outlet.wall_ns += 3 * SECOND
    assert clock.read() == 0x1000_0000_2000 + 3 * SECOND


def test_an_alarm_becomes_a_virtual_deadline_and_rings_then() -> None:
    """It interrupts when enabled, until cleared."""
    clock = Clock()
    clock.guest[IRQ_ENABLED] = 1
    clock.set_alarm(clock.outlet.wall_ns + SECOND)
    assert clock.guest[ALARM_STATUS] == 1
    assert clock.device.deadline_ns == 5_000 + SECOND
    assert clock.moved == 1
    clock.device.run_timers(4_999 + SECOND)
    assert not clock.line.level
    clock.device.run_timers(5_000 + SECOND)
    assert clock.line.level
    assert clock.guest[ALARM_STATUS] == 0
    assert clock.device.deadline_ns is None
    clock.guest[CLEAR_INTERRUPT] = 1
    assert not clock.line.level


def test_an_alarm_in_the_past_rings_at_once() -> None:
    """A disabled interrupt waits for being enabled."""
    clock = Clock()
    clock.set_alarm(clock.outlet.wall_ns)
    assert not clock.line.level
    clock.guest[IRQ_ENABLED] = 1
    assert clock.line.level


def test_a_cleared_alarm_does_not_ring() -> None:
    """CLEAR_ALARM disarms, whatever is written."""
    clock = Clock()
    clock.guest[IRQ_ENABLED] = 1
    clock.set_alarm(clock.outlet.wall_ns + SECOND)
    clock.guest[CLEAR_ALARM] = 0
    clock.device.run_timers(2 * SECOND)
    assert not clock.line.level
    assert clock.guest[ALARM_STATUS] == 0


def test_alarm_registers_read_back() -> None:
    """Both halves."""
    clock = Clock()
    clock.set_alarm(0xFFFF_FFFF_0000_0001)
    assert [clock.guest[ALARM_LOW], clock.guest[ALARM_HIGH]] == [1, 0xFFFF_FFFF]
    assert clock.device.save().deadline_ns < 1 << 63
