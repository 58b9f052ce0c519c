"""The machine: harts, RAM, bus and devices as one thing that runs when told and hears when told.

It owns no thread, takes no lock, and knows neither what is recorded nor who listens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from lockstep.det.instant import LATEST_NS
from lockstep.det.leaves import Fields, Inside, leaves
from lockstep.det.state import Digests, canonical_bytes, digest
from lockstep.det.world import BREAK_PORT, Arrival, Outlet
from lockstep.machine import board
from lockstep.machine.board import BoardConfig
from lockstep.machine.bus import Bus
from lockstep.machine.device import Device, IrqLine, Undeliverable
from lockstep.machine.devices.aclint import MTIME, Mswi, Mtimer, Sswi
from lockstep.machine.devices.finisher import FAIL, PASS, RESET, Finisher
from lockstep.machine.devices.goldfish_rtc import GoldfishRtc
from lockstep.machine.devices.htif import Htif
from lockstep.machine.devices.plic import Plic
from lockstep.machine.devices.rom import Rom
from lockstep.machine.devices.uart16550 import Uart16550
from lockstep.machine.dtb import make_dtb
from lockstep.machine.images.mailbox import Mailbox, find_mailbox
from lockstep.machine.loader import plan_boot
from lockstep.machine.processor import Processor, Timebase
from lockstep.machine.ramdigest import Memory, RamDigest
from lockstep.machine.slots import Placed, slots

A1, A2 = 11, 12
_ZEROS = bytes(1 << 20)

PowerKind = Literal["poweroff", "reboot", "fail", "no-reboot"]

# What the outside may ask of the power button, by the words of the "power" port.
POWER_REQUESTS: dict[bytes, PowerKind] = {
    b"shutdown": "poweroff",
    b"reset": "reboot",
}
# What the guest may ask of the test finisher.
FINISHES: dict[int, PowerKind] = {PASS: "poweroff", FAIL: "fail", RESET: "reboot"}


HTIF_PATIENCE = 64
"""Instructions after which half a command to the host is one."""


class PowerEvent(msgspec.Struct, frozen=True):
    """The machine ended, or wants to start again."""

    kind: PowerKind
    code: int = 0


class MachineState(msgspec.Struct, frozen=True):
    """A whole machine. Devices are canonical bytes of their states; pages of zeros are left out."""

    cpu: Any
    devices: dict[str, bytes]
    pages: tuple[tuple[int, bytes], ...]
    resets: int
    power: PowerEvent | None


class Machine:
    """A board with its images in place, ready to run from reset.

    `power` is None while it runs. When the guest or the power button ends it, `power` says how, and
    the run ends at that very instruction; `reset` starts it again.
    """

    def __init__(
        self,
        config: BoardConfig,
        cpu: Processor,
        ram: Memory,
        bus: Bus,
        outlet_for: Callable[[str], Outlet],
    ) -> None:
        self.config = config
        self.cpu = cpu
        self.ram = ram
        self.bus = bus
        self.power: PowerEvent | None = None
        self.resets = 0
        self._ram_digest = RamDigest(ram)
        self.devices = self._make_devices(outlet_for)
        self._start()

    def _make_devices(self, outlet_for: Callable[[str], Outlet]) -> dict[str, Device]:
        """Attach all devices to the bus, wired to each other; those that keep a state, by name."""
        cpu, harts = self.cpu, range(self.config.harts)
        plic = Plic([self._line(h, bit) for h in harts for bit in (board.MEIP, board.SEIP)])
        self.rom = Rom()
        placed = [
            Placed("rom", board.ROM.base, self.rom),
            Placed("finisher", board.FINISHER.base, Finisher(self._finish)),
            Placed("rtc", board.RTC.base, self._make_rtc(outlet_for("rtc"), plic)),
            Placed("mswi", board.MSWI.base, Mswi([self._line(h, board.MSIP) for h in harts])),
            Placed("mtimer", board.MTIMER.base, Mtimer(Timebase(cpu), len(harts))),
            Placed("sswi", board.SSWI.base, Sswi([self._line(h, board.SSIP) for h in harts])),
            Placed("plic", board.PLIC.base, plic),
            Placed("serial0", board.UART.base, self._make_uart(outlet_for("serial0"), plic)),
            *(device for slot in slots(self.config) for device in slot.devices),
        ]
        for _, base, device in placed:
            self.bus.attach(base, device)
        self.bus.inform(cpu)
        cpu.map_mtime(board.MTIMER.base + MTIME)
        devices = {name: device for name, _, device in placed if device.kept}
        mailbox = self._mailbox()
        if mailbox is not None:
            devices["htif"] = self._make_htif(outlet_for("serial0"), mailbox)
        return devices

    def _mailbox(self) -> Mailbox | None:
        """Where the guest talks to Spike, if it does."""
        if self.config.version < 2:
            return None
        start, end = self.ram.base, self.ram.base + self.ram.size
        for image in (self.config.kernel, self.config.bios):
            found = find_mailbox(image)
            if found is not None:
                inside = all(start <= at <= end - 8 and at % 8 == 0 for at in found)
                return found if inside else None
        return None

    def _make_htif(self, outlet: Outlet, mailbox: Mailbox) -> Htif:
        cpu = self.cpu
        htif = Htif(
            self.ram,
            mailbox,
            outlet,
            lambda code: self._finish(FAIL if code else PASS, code),
            lambda: cpu.virtual_ns,
            cpu.request_stop,
            HTIF_PATIENCE << self.config.shift,
        )
        self.bus.watch(htif.stored)
        cpu.watch(mailbox.tohost)
        return htif

    def _make_uart(self, outlet: Outlet, plic: Plic) -> Uart16550:
        line = _wire(plic, board.UART_IRQ)
        if self.config.version < 2:
            return Uart16550(outlet, line)
        return Uart16550(outlet, line, lambda wanted: plic.request(board.UART_IRQ, wanted))

    def _make_rtc(self, outlet: Outlet, plic: Plic) -> GoldfishRtc:
        cpu = self.cpu
        # A deadline that comes nearer ends the period, so that the next one is cut to it.
        return GoldfishRtc(
            outlet, _wire(plic, board.RTC_IRQ), lambda: cpu.virtual_ns, cpu.request_stop
        )

    def _line(self, hart: int, bit: int) -> IrqLine:
        set_irq = self.cpu.set_irq
        return lambda level: set_irq(hart, bit, level)

    def _start(self) -> None:
        """Put the images in place and the harts at their first instruction."""
        boot = plan_boot(
            self.config, lambda initrd: make_dtb(self.config, initrd, self._boot_seed())
        )
        for _, segment in boot.placed:
            # At power-on what an image wants zero (.bss) is zero; after a reset it may not be.
            self.ram.write(segment.address, segment.data)
            if self.resets:
                self._clear(segment.address + len(segment.data), segment.address + segment.extent)
        self.rom.contents = boot.rom
        self.cpu.reset(boot.entry, {A1: boot.dtb, A2: boot.info})

    def _clear(self, start: int, end: int) -> None:
        """Zeros, in pieces: an image may want nearly all of RAM zero."""
        for at in range(start, end, len(_ZEROS)):
            self.ram.write(at, _ZEROS[: end - at])

    def _boot_seed(self) -> bytes:
        """The device tree's entropy: the configured one at power-on, derived from it afterwards."""
        seed = self.config.rng_seed
        if not seed or not self.resets:
            return seed
        return hashlib.shake_256(seed + self.resets.to_bytes(8, "little")).digest(len(seed))

    def reset(self) -> None:
        """Start again. RAM keeps what the images do not overwrite; time goes on."""
        self.bus.changed()
        self.resets += 1
        self.power = None
        for device in self.devices.values():
            device.reset()
        self._start()

    def deliver(self, arrival: Arrival) -> None:
        """Something from outside takes effect, between two instructions."""
        self.bus.changed()
        port, data = arrival
        if not data:
            raise Undeliverable(f"nothing arrived at port {port!r}")
        if port == "power":
            self._press(data)
        elif port in self.devices:
            self.devices[port].receive(data)
        elif (device := port.removesuffix(BREAK_PORT)) in self.devices:
            self.devices[device].receive_break()
        else:
            raise Undeliverable(f"something arrived at port {port!r}, which this machine lacks")

    def hungry(self, port: str) -> bool:
        """Whether more may be sent to a device: a guest that does not read is not to be flooded."""
        return self.devices[port].hungry

    def _press(self, request: bytes) -> None:
        if request not in POWER_REQUESTS:
            raise Undeliverable(f"the power button does not know {request!r}")
        self._switch(POWER_REQUESTS[request])

    def _finish(self, command: int, code: int) -> None:
        self._switch(FINISHES[command], code)
        self.cpu.request_stop()

    def _switch(self, kind: PowerKind, code: int = 0) -> None:
        if kind == "reboot" and self.config.no_reboot:
            kind = "no-reboot"
        self.power = PowerEvent(kind, code)

    @property
    def deadline_ns(self) -> int | None:
        """The virtual time of the earliest device timer: `run_timers` must be called then."""
        deadlines = (d.deadline_ns for d in self.devices.values() if d.deadline_ns is not None)
        first = min(deadlines, default=LATEST_NS)
        return first if first < LATEST_NS else None

    def run_timers(self) -> None:
        """Run the device timers that are due, in the order of the board."""
        self.bus.changed()
        now = self.cpu.virtual_ns
        for device in self.devices.values():
            if device.deadline_ns is not None and device.deadline_ns <= now:
                device.run_timers(now)

    def digests(self) -> Digests:
        """What the machine is now, part by part. What belongs to no other part is the "board"."""
        cpu = self.cpu
        devices = {name: digest(device.save()) for name, device in self.devices.items()}
        ram = self._ram_digest.update()
        quiet = digest((devices, ram, self.resets, self.power))
        time = (cpu.icount, cpu.virtual_ns, cpu.mtime)
        devices["board"] = digest((time, cpu.turn, self.resets, self.power))
        harts = [digest(dict(cpu.hart_fields(h))) for h in range(self.config.harts)]
        return Digests(harts, devices, ram, self.inside, quiet)

    def inside(self, part: str) -> Inside:
        """A part, as `digests` names it, taken apart."""
        return self._ram_digest if part == "ram" else Fields(part, self.fields(part))

    def fields(self, part: str) -> Mapping[str, int]:
        """The values inside any part but RAM."""
        cpu = self.cpu
        if part.startswith("hart "):
            return cpu.hart_fields(int(part.removeprefix("hart ")))
        if part in self.devices:
            return leaves(self.devices[part].save())
        return leaves(
            {
                "icount": cpu.icount,
                "virtual_ns": cpu.virtual_ns,
                "mtime": cpu.mtime,
                "turn": cpu.turn[0],
                "turn_left": cpu.turn[1],
                "resets": self.resets,
                "power": self.power,
            }
        )

    def pages(self) -> Mapping[int, int]:
        """A hash of every page of RAM that is not all zeros, by its number."""
        return self._ram_digest.pages()

    def save(self) -> MachineState:
        """Everything, sharing nothing that can change."""
        devices = {name: canonical_bytes(device.save()) for name, device in self.devices.items()}
        pages = tuple(self._ram_digest.contents().items())
        return MachineState(self.cpu.save(), devices, pages, self.resets, self.power)

    def restore(self, state: MachineState) -> None:
        """Become what `state` says; it must come from a machine of the same configuration."""
        self.bus.changed()
        self._ram_digest.restore(dict(state.pages))
        for name, device in self.devices.items():
            device.restore(msgspec.msgpack.decode(state.devices[name], type=device.State))
        self.resets = state.resets
        self.power = state.power
        self.cpu.restore(state.cpu)


def _wire(plic: Plic, source: int) -> IrqLine:
    return lambda level: plic.drive(source, level)
