"""Software interrupts and the timer's registers, as the ACLINT specification has them."""

from fakes.device import FakeLine, Guest
from lockstep.machine.devices.aclint import Mswi, Mtimer, Sswi


class FakeTimebase:
    """Ticks and comparators held still."""

    def __init__(self) -> None:
        self.now = 0x1_2345_6789
        self.compares = [0, 0]

    def ticks(self) -> int:
        return self.now

    def set_ticks(self, value: int) -> None:
        self.now = value

    def compare(self, hart: int) -> int:
        return self.compares[hart]

    def set_compare(self, hart: int, value: int) -> None:
        self.compares[hart] = value


def test_msip_is_a_level_of_one_bit() -> None:
    """The other 31 bits are wired to zero."""
    lines = [FakeLine(), FakeLine()]
    guest = Guest(Mswi(lines))
    guest[4] = 0xFFFF_FFFF
    assert [line.level for line in lines] == [False, True]
    assert [guest[0], guest[4], guest[8]] == [0, 1, 0]
    guest[4] = 0xFFFF_FFFE
    assert not lines[1].level


def test_setssip_raises_and_reads_zero() -> None:
    """Only the guest's own write to sip takes it back."""
    lines = [FakeLine(), FakeLine()]
    guest = Guest(Sswi(lines))
    guest[4] = 1
    guest[4] = 0
    assert [line.level for line in lines] == [False, True]
    assert guest[4] == 0


def test_mtimecmp_whole_and_in_halves() -> None:
    """RV32 code writes halves; each leaves the other alone."""
    timebase = FakeTimebase()
    device = Mtimer(timebase, 2)
    Guest(device, 8)[8] = 0x1111_2222_3333_4444
    halves = Guest(device, 4)
    halves[12] = 0xAAAA_BBBB
    assert timebase.compares == [0, 0xAAAA_BBBB_3333_4444]
    assert [halves[8], halves[12]] == [0x3333_4444, 0xAAAA_BBBB]


def test_mtime_whole_and_in_halves() -> None:
    """Behind the room for 4095 comparators."""
    timebase = FakeTimebase()
    device = Mtimer(timebase, 2)
    assert Guest(device, 8)[0x7FF8] == 0x1_2345_6789
    halves = Guest(device, 4)
    assert [halves[0x7FF8], halves[0x7FFC]] == [0x2345_6789, 1]
    halves[0x7FFC] = 2
    assert timebase.now == 0x2_2345_6789
    Guest(device, 8)[0x7FF8] = 7
    assert timebase.now == 7
