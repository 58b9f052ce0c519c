"""The UART keeps to its data sheet (PC16550D) where Linux, OpenSBI and QEMU's users rely on it."""

from fakes.device import FakeLine, FakeOutlet, Guest
from lockstep.det.state import canonical_bytes
from lockstep.machine.devices.uart16550 import Uart16550

DATA, IER, IIR, FCR, LCR, MCR, LSR, MSR, SCR = 0, 1, 2, 2, 3, 4, 5, 6, 7


class Serial:
    """A UART with everything around it."""

    def __init__(self) -> None:
        self.outlet = FakeOutlet()
        self.line = FakeLine()
        self.device = Uart16550(self.outlet, self.line)
        self.guest = Guest(self.device, size=1)


def test_written_characters_leave_at_once() -> None:
    """Characters take no time: the transmitter is empty before and after."""
    serial = Serial()
    assert serial.guest[LSR] == 0x60
    for byte in b"hello":
        serial.guest[DATA] = byte
    assert serial.outlet.emitted == b"hello"
    assert serial.guest[LSR] == 0x60


def test_received_characters_come_out_in_order() -> None:
    """What arrives beyond the FIFO waits on the wire and is not lost."""
    serial = Serial()
    serial.guest[FCR] = 1
    serial.device.receive(bytes(range(100)))
    got = []
    while serial.guest[LSR] & 1:
        got.append(serial.guest[DATA])
    assert got == list(range(100))
    assert serial.guest[DATA] == 0


def test_without_fifo_one_character_at_a_time() -> None:
    """FCR bit 0 clear: 16450 mode, and IIR shows no FIFO."""
    serial = Serial()
    serial.device.receive(b"ab")
    assert serial.device.save().fifo == b"a"
    assert serial.guest[IIR] == 1
    assert [serial.guest[DATA], serial.guest[DATA]] == [0x61, 0x62]


def test_received_data_interrupts_and_reading_it_withdraws_the_interrupt() -> None:
    """At the trigger level the cause is 4; below it a character timeout, 0xC."""
    serial = Serial()
    serial.guest[FCR] = 1 | 1 << 6
    serial.guest[IER] = 1
    assert not serial.line.level
    serial.device.receive(b"abcd")
    assert serial.line.level
    assert serial.guest[IIR] == 0xC4
    serial.guest[DATA]
    assert serial.guest[IIR] == 0xCC
    for _ in range(3):
        serial.guest[DATA]
    assert serial.guest[IIR] == 0xC1
    assert not serial.line.level


def test_an_empty_transmitter_interrupts_when_enabled_and_once_for_each_write() -> None:
    """Reading IIR clears the interrupt only if it is the one shown (table IV)."""
    serial = Serial()
    serial.guest[IER] = 2
    assert serial.line.level
    assert serial.guest[IIR] == 2
    assert serial.guest[IIR] == 1
    assert not serial.line.level
    serial.guest[DATA] = 0x41
    assert serial.line.level
    serial.guest[IER] = 0
    assert not serial.line.level


def test_reading_a_more_urgent_cause_leaves_the_transmitter_interrupt() -> None:
    """Received data is shown first and does not clear what is behind it."""
    serial = Serial()
    serial.guest[IER] = 3
    serial.device.receive(b"x")
    assert serial.guest[IIR] == 4
    serial.guest[DATA]
    assert serial.guest[IIR] == 2


def test_divisor_latch_hides_data_and_enable_registers() -> None:
    """DLAB swaps offsets 0 and 1; nothing is transmitted meanwhile."""
    serial = Serial()
    serial.guest[IER] = 5
    serial.guest[LCR] = 0x83
    serial.guest[DATA], serial.guest[IER] = 0x34, 0x12
    assert (serial.guest[DATA], serial.guest[IER]) == (0x34, 0x12)
    serial.guest[LCR] = 0x03
    assert serial.guest[IER] == 5
    assert serial.guest[LCR] == 3
    assert serial.outlet.emitted == b""


def test_loopback_returns_characters_and_modem_control() -> None:
    """As Linux's autoconfig checks it: MCR 0x1A shows as MSR 0x90."""
    serial = Serial()
    assert serial.guest[MSR] == 0xB0
    serial.guest[MCR] = 0x1A
    assert serial.guest[MSR] & 0xF0 == 0x90
    serial.guest[DATA] = 0x55
    assert serial.guest[DATA] == 0x55
    assert serial.outlet.emitted == b""


def test_loopback_disconnects_the_wire() -> None:
    """Input waits until loop mode ends."""
    serial = Serial()
    serial.guest[MCR] = 0x10
    serial.device.receive(b"x")
    assert serial.guest[LSR] & 1 == 0
    serial.guest[MCR] = 0
    assert serial.guest[DATA] == ord("x")


def test_modem_changes_interrupt_until_they_are_read() -> None:
    """Each delta bit says what changed; ring counts only its trailing edge."""
    serial = Serial()
    serial.guest[MCR] = 0x10
    serial.guest[MSR]
    serial.guest[IER] = 8
    serial.guest[MCR] = 0x10 | 4
    assert not serial.line.level
    serial.guest[MCR] = 0x10 | 1
    assert serial.guest[IIR] == 0
    assert serial.line.level
    assert serial.guest[MSR] == 0x20 | 4 | 2
    assert serial.guest[MSR] == 0x20
    assert not serial.line.level


def test_overrun_is_reported_once_and_a_full_fifo_keeps_its_contents() -> None:
    """Only loopback can overrun: the wire waits."""
    serial = Serial()
    serial.guest[FCR] = 1
    serial.guest[MCR] = 0x10
    serial.guest[IER] = 4
    for byte in range(17):
        serial.guest[DATA] = byte
    assert serial.guest[IIR] == 0xC6
    assert serial.guest[LSR] == 0x63
    assert serial.guest[LSR] == 0x61
    assert [serial.guest[DATA] for _ in range(17)] == [*range(16), 0]


def test_overrun_without_fifos_overwrites() -> None:
    """PC16550D 8.5, bit 1."""
    serial = Serial()
    serial.guest[MCR] = 0x10
    serial.guest[DATA], serial.guest[DATA] = 1, 2
    assert serial.guest[LSR] & 2
    assert serial.guest[DATA] == 2


def test_clearing_the_receiver_spares_the_wire() -> None:
    """A driver that clears several times in a row loses one FIFO, not all input."""
    serial = Serial()
    serial.guest[FCR] = 1
    serial.device.receive(bytes(range(40)))
    for command in (1, 7, 0, 1):
        serial.guest[FCR] = command
    assert serial.guest[LSR] & 1
    assert serial.guest[DATA] == 16


def test_scratch_register_keeps_a_byte() -> None:
    """Linux probes for it."""
    serial = Serial()
    serial.guest[SCR] = 0xA5
    assert serial.guest[SCR] == 0xA5


def test_wide_accesses_reach_the_register_at_their_offset() -> None:
    """As in QEMU: only the low byte counts."""
    serial = Serial()
    serial.guest.bus.write(0, 4, 0x1241)
    assert serial.outlet.emitted == b"A"
    assert serial.guest.bus.read(LSR, 4) == 0x60


def test_a_full_wire_asks_for_no_more() -> None:
    """What the host sends waits with the host, as long as the guest does not read."""
    uart = Uart16550(FakeOutlet(), FakeLine())
    uart.receive(bytes(4096))
    assert uart.hungry
    uart.receive(bytes(4096))
    assert not uart.hungry
    for _ in range(4097):
        uart.rbr()
    assert uart.hungry


def test_a_break_is_told_of_with_its_character() -> None:
    """PC16550D 8.6.3: a character of zeros, and LSR bit 4 when that is the oldest, once."""
    serial = Serial()
    serial.guest[FCR] = 1
    serial.guest[IER] = 4
    serial.device.receive(b"a")
    serial.device.receive_break()
    serial.device.receive(b"b")
    assert serial.guest[LSR] == 0xE1
    assert serial.guest[DATA] == ord("a")
    assert serial.line.level
    assert serial.guest[IIR] == 0xC6
    assert serial.guest[LSR] == 0xF1
    assert serial.guest[LSR] == 0x61
    assert not serial.line.level
    assert [serial.guest[DATA], serial.guest[DATA]] == [0, ord("b")]


def test_a_break_that_has_to_wait_keeps_its_place() -> None:
    """Beyond the FIFO, on the wire; emptying the FIFO moves it up."""
    serial = Serial()
    serial.guest[FCR] = 1
    serial.device.receive(bytes(20))
    serial.device.receive_break()
    assert serial.guest[LSR] == 0x61
    serial.guest[FCR] = 3
    for _ in range(4):
        assert serial.guest[LSR] & 0x10 == 0
        serial.guest[DATA]
    assert serial.guest[LSR] & 0x10


def test_a_uart_without_breaks_is_saved_as_before_there_were_any() -> None:
    """Digests of old recordings still match."""
    serial = Serial()
    serial.device.receive_break()
    serial.guest[DATA]
    assert b"breaks" not in canonical_bytes(serial.device.save())
