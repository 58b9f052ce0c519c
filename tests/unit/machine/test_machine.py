"""The machine as one thing: wiring, arrivals, timers, power, reset, digests, save and restore."""

from contextlib import nullcontext

import fdt
import pytest

from fakes.device import FakeOutlet
from fakes.harts import FakeCpu, FakeRam
from lockstep.det.state import canonical_bytes
from lockstep.det.world import Arrival
from lockstep.errors import InternalError
from lockstep.machine import board
from lockstep.machine.board import BoardConfig
from lockstep.machine.bus import Bus
from lockstep.machine.machine import Machine, PowerEvent

MEMORY = 16 << 20
SERIAL_IER, SERIAL_DATA = board.UART.base + 1, board.UART.base
S_CLAIM = board.PLIC.base + 0x20_1004


class Bench:
    """A machine whose harts stand still."""

    def __init__(self, harts: int = 2, version: int = board.VERSION) -> None:
        self.outlets: dict[str, FakeOutlet] = {}
        self.cpu = FakeCpu(harts)
        self.ram = FakeRam(board.DRAM_BASE, MEMORY)
        self.bus = Bus(nullcontext())
        config = BoardConfig(
            memory=MEMORY, harts=harts, kernel=b"kernel", rng_seed=b"seed" * 8, version=version
        )
        self.machine = Machine(config, self.cpu, self.ram, self.bus, self.outlet)

    def outlet(self, port: str) -> FakeOutlet:
        return self.outlets.setdefault(port, FakeOutlet())

    def pending(self, hart: int, bit: int) -> bool:
        return bool(self.cpu.harts[hart].mip >> bit & 1)

    def route_to_s_mode(self, source: int, hart: int = 0) -> None:
        """Enable an interrupt source for a hart's S-mode context."""
        context = 2 * hart + 1
        self.bus.write(board.PLIC.base + 4 * source, 4, 1)
        self.bus.write(board.PLIC.base + 0x2000 + 0x80 * context, 4, 1 << source)

    def seed(self) -> bytes:
        blob = self.ram.read(self.cpu.harts[0].x[11], 8192)
        tree = fdt.parse_dtb(blob[: int.from_bytes(blob[4:8], "big")])
        return b"".join(w.to_bytes(4, "big") for w in tree.get_property("rng-seed", "/chosen").data)


def test_harts_start_with_their_number_and_the_device_tree() -> None:
    """a0, a1, a2; the kernel is where pc points."""
    bench = Bench()
    hart = bench.cpu.harts[1]
    assert hart.x[10] == 1
    assert bench.ram.read(hart.x[11], 4) == b"\xd0\x0d\xfe\xed"
    assert bench.bus.read(hart.x[12], 8) == 0x4942534F
    assert bench.ram.read(hart.pc, 6) == b"kernel"


def test_serial_input_interrupts_the_hart_it_is_routed_to() -> None:
    """From the port through UART and PLIC to SEIP."""
    bench = Bench()
    bench.route_to_s_mode(board.UART_IRQ)
    bench.bus.write(SERIAL_IER, 1, 1)
    bench.machine.deliver(Arrival("serial0", b"hi"))
    assert bench.pending(0, board.SEIP)
    assert not bench.pending(1, board.SEIP)
    assert bench.bus.read(S_CLAIM, 4) == board.UART_IRQ
    assert [bench.bus.read(SERIAL_DATA, 1) for _ in "hi"] == [ord("h"), ord("i")]


def test_serial_output_leaves_through_its_outlet() -> None:
    """And only there."""
    bench = Bench()
    bench.bus.write(SERIAL_DATA, 1, 0x41)
    assert bench.outlets["serial0"].emitted == b"A"
    assert bench.outlets["rtc"].emitted == b""


def test_software_interrupts_reach_their_hart() -> None:
    """MSIP by level, SSIP by edge."""
    bench = Bench()
    bench.bus.write(board.MSWI.base + 4, 4, 1)
    bench.bus.write(board.SSWI.base + 4, 4, 1)
    assert [bench.pending(1, bit) for bit in (board.MSIP, board.SSIP)] == [True, True]
    assert bench.cpu.harts[0].mip == 0


def test_timer_registers_are_the_harts() -> None:
    """mtimecmp is hart state; mtime is virtual time in ticks of 100 ns."""
    bench = Bench()
    bench.cpu.virtual_ns = 12_345
    bench.bus.write(board.MTIMER.base + 8, 8, 777)
    assert bench.cpu.harts[1].mtimecmp == 777
    assert bench.bus.read(board.MTIMER.base + 0x7FF8, 8) == 123
    bench.bus.write(board.MTIMER.base + 0x7FF8, 8, 1_000)
    bench.cpu.virtual_ns += 200
    assert bench.bus.read(board.MTIMER.base + 0x7FF8, 8) == 1_002


def test_an_rtc_alarm_ends_the_period_and_rings_at_its_deadline() -> None:
    """Whoever runs the machine cuts the next period to the deadline."""
    bench = Bench()
    bench.route_to_s_mode(board.RTC_IRQ)
    rtc = board.RTC.base
    alarm = bench.outlets["rtc"].wall_ns + 1_000
    bench.bus.write(rtc + 0x10, 4, 1)
    bench.bus.write(rtc + 0x0C, 4, alarm >> 32)
    bench.bus.write(rtc + 0x08, 4, alarm & 0xFFFF_FFFF)
    assert (bench.machine.deadline_ns, bench.cpu.stops) == (1_000, 1)
    bench.cpu.virtual_ns = 999
    bench.machine.run_timers()
    assert not bench.pending(0, board.SEIP)
    bench.cpu.virtual_ns = 1_000
    bench.machine.run_timers()
    assert bench.pending(0, board.SEIP)
    assert bench.machine.deadline_ns is None


@pytest.mark.parametrize(
    ("value", "event"),
    [
        (0x5555, PowerEvent("poweroff")),
        (0x7777, PowerEvent("reboot")),
        (0x0003_3333, PowerEvent("fail", 3)),
    ],
)
def test_the_guest_ends_the_machine(value: int, event: PowerEvent) -> None:
    """Through the test finisher, at that instruction."""
    bench = Bench()
    bench.bus.write(board.FINISHER.base, 4, value)
    assert bench.machine.power == event
    assert bench.cpu.stops == 1


@pytest.mark.parametrize(("request_", "kind"), [(b"shutdown", "poweroff"), (b"reset", "reboot")])
def test_the_power_button_ends_the_machine(request_: bytes, kind: str) -> None:
    """Between two instructions."""
    bench = Bench()
    bench.machine.deliver(Arrival("power", request_))
    assert bench.machine.power is not None
    assert bench.machine.power.kind == kind


@pytest.mark.parametrize("arrival", [Arrival("nowhere", b""), Arrival("power", b"explode")])
def test_an_arrival_nobody_knows_is_an_error(arrival: Arrival) -> None:
    """Default deny: nothing is silently dropped."""
    with pytest.raises(InternalError):
        Bench().machine.deliver(arrival)


def test_reset_starts_again_with_another_seed() -> None:
    """Images are back, devices are new, the device tree's entropy is not the old one."""
    bench = Bench()
    first = bench.seed()
    bench.ram.write(board.DRAM_BASE, b"other!")
    bench.bus.write(SERIAL_IER, 1, 1)
    bench.bus.write(board.FINISHER.base, 4, 0x7777)
    bench.machine.reset()
    assert bench.machine.power is None
    assert bench.ram.read(board.DRAM_BASE, 6) == b"kernel"
    assert bench.bus.read(SERIAL_IER, 1) == 0
    assert first == b"seed" * 8
    assert bench.seed() != first
    assert len(bench.seed()) == len(first)


def test_digests_name_the_part_that_changed() -> None:
    """A hart, a device, RAM."""
    bench = Bench()
    before = bench.machine.digests()
    assert before.differences(bench.machine.digests()) == []
    bench.cpu.harts[1].pc += 4
    bench.bus.write(SERIAL_IER, 1, 1)
    bench.ram.write(board.DRAM_BASE + 4096, b"x")
    changed = before.differences(bench.machine.digests())
    assert changed == ["hart 1", "serial0", "ram"]


def test_restore_undoes_everything_since_save() -> None:
    """Registers, devices, RAM and power, proven by digests."""
    bench = Bench()
    bench.machine.deliver(Arrival("serial0", b"typed ahead"))
    saved, before = bench.machine.save(), bench.machine.digests()
    bench.route_to_s_mode(board.UART_IRQ)
    bench.bus.write(SERIAL_IER, 1, 3)
    bench.bus.read(board.RTC.base, 4)
    bench.bus.write(board.MTIMER.base, 8, 5)
    bench.ram.write(board.DRAM_BASE + 8192, b"y" * 5000)
    bench.cpu.virtual_ns += 99
    bench.machine.deliver(Arrival("power", b"reset"))
    bench.machine.reset()
    assert before.differences(bench.machine.digests()) != []
    bench.machine.restore(saved)
    assert before.differences(bench.machine.digests()) == []
    assert canonical_bytes(bench.machine.save()) == canonical_bytes(saved)


class UartDriver(Bench):
    """One that claims and completes, and reads no more of the UART than it has to."""

    def __init__(self, version: int = board.VERSION) -> None:
        super().__init__(harts=1, version=version)
        self.route_to_s_mode(board.UART_IRQ)

    def interrupted(self) -> bool:
        """Whether an interrupt came; then it is claimed, left as it is and completed."""
        if not self.pending(0, board.SEIP):
            return False
        self.complete(self.bus.read(S_CLAIM, 4))
        return True

    def complete(self, source: int) -> None:
        self.bus.write(S_CLAIM, 4, source)


def test_a_transmitter_that_nobody_asks_about_interrupts_once() -> None:
    """xv6 of 2019 to 2022 enables it and never reads IIR; the level of old went on for ever."""
    bench = UartDriver()
    bench.bus.write(SERIAL_IER, 1, 2)
    assert [bench.interrupted() for _ in range(3)] == [True, False, False]
    bench.bus.write(SERIAL_DATA, 1, 0x41)
    assert [bench.interrupted() for _ in range(3)] == [True, False, False]


def test_an_old_recordings_transmitter_goes_on_interrupting() -> None:
    """The first version of the board is as it was."""
    bench = UartDriver(version=1)
    bench.bus.write(SERIAL_IER, 1, 2)
    assert all(bench.interrupted() for _ in range(10))


def test_a_character_sent_by_the_handler_brings_the_next_interrupt() -> None:
    """The THR becomes empty again while the interrupt is in service: that is not lost."""
    bench = UartDriver()
    bench.bus.write(SERIAL_IER, 1, 2)
    for _ in range(5):
        assert bench.bus.read(S_CLAIM, 4) == board.UART_IRQ
        bench.bus.write(SERIAL_DATA, 1, 0x41)
        assert not bench.pending(0, board.SEIP)
        bench.complete(board.UART_IRQ)
        assert bench.pending(0, board.SEIP)


def test_a_handler_that_reads_iir_is_not_called_again_for_nothing() -> None:
    """What it has taken note of before it completes is withdrawn."""
    bench = UartDriver()
    bench.bus.write(SERIAL_IER, 1, 2)
    source = bench.bus.read(S_CLAIM, 4)
    bench.bus.write(SERIAL_DATA, 1, 0x41)
    assert bench.bus.read(board.UART.base + 2, 1) & 0xF == 2
    bench.complete(source)
    assert not bench.pending(0, board.SEIP)


def test_received_data_interrupts_until_it_is_read() -> None:
    """Also where the transmitter's interrupt was never taken note of; that comes after it."""
    bench = UartDriver()
    bench.bus.write(SERIAL_IER, 1, 3)
    assert bench.interrupted()
    bench.machine.deliver(Arrival("serial0", b"key"))
    assert [bench.interrupted() for _ in range(3)] == [True] * 3
    source = bench.bus.read(S_CLAIM, 4)
    assert bytes(bench.bus.read(SERIAL_DATA, 1) for _ in "key") == b"key"
    bench.complete(source)
    assert [bench.interrupted() for _ in range(3)] == [True, False, False]


def test_an_arrival_a_timer_and_a_reset_have_registers_asked_again() -> None:
    """What the harts know of a device ends with it."""
    bench = Bench()

    def poll() -> None:
        for _ in range(2):
            bench.bus.read(board.UART.base + 5, 1)
        assert bench.cpu.known == (board.UART.base + 5, 1, 0x60)

    saved = bench.machine.save()
    for happen in (
        bench.machine.run_timers,
        bench.machine.reset,
        lambda: bench.machine.restore(saved),
        lambda: bench.machine.deliver(Arrival("serial0", b"x")),
    ):
        poll()
        happen()
        assert bench.cpu.known is None
    assert bench.bus.read(board.UART.base + 5, 1) == 0x61
