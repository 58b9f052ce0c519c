"""All harts of a machine as one thing that runs for so many instructions; the rest is set-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

from lockstep.cpu.hostmemory import host_address
from lockstep.cpu.layout import (
    CODE,
    MMIO_DONE,
    MMIO_FAULTED,
    MMIO_NONE,
    MMIO_PROBE,
    MMIO_STORE,
    MMIO_WATCHED,
    NEVER_HOT,
    NOWHERE,
    PAGE,
    WATCHED,
)
from lockstep.cpu.memory import Follower, Ram
from lockstep.cpu.schedule import ATTENTION, DONE, IDLE, LAST_TICK, MMIO, STOPPED, TICK_NS
from lockstep.cpu.state import ClusterBlock, CpuState, HartState
from lockstep.errors import InternalError, UsageError
from lockstep.isa.privileged import ENVCFG_STCE, MTIP, STIP
from lockstep.isa.state import FEATURES

if TYPE_CHECKING:
    from lockstep.cpu.native.engine import RegionSupply

_A0: Final = 10

Notify = Callable[[str], None]


class Exit(Enum):
    """Why a run ended."""

    DONE = DONE  # the instruction count asked for is reached
    IDLE = IDLE  # every hart waits for an interrupt
    STOPPED = STOPPED  # somebody asked for it


class BusError(Exception):
    """Nothing is there, or not at that size. The guest gets an access fault."""


class Bus(Protocol):
    """Physical addresses that are not main memory."""

    def read(self, addr: int, size: int) -> int:
        """What the guest reads; `size` is 1, 2, 4 or 8 and divides `addr`."""

    def write(self, addr: int, size: int, value: int) -> None:
        """The guest writes `value`, which fits in `size`."""

    def probe(self, addr: int, size: int) -> None:
        """The guest manages the `size` bytes at `addr`: is any of them a device's?"""

    def stored(self, addr: int, size: int) -> None:
        """The guest is about to store to main memory, to some of what `Cpu.watch` named."""


class Engine(Follower, Protocol):
    """What executes instructions. It works on the block of cpu/layout and keeps caches only."""

    def run(self) -> int:
        """Run on; returns one of cpu/schedule's DONE, IDLE, STOPPED, MMIO, ATTENTION."""

    def attend(self) -> None:
        """Do what ATTENTION was asked for. Nothing of it may show."""

    def stats(self) -> dict[str, int]:
        """What it counted so far."""


class Cpu:
    """All harts. One thread runs them; only `request_stop` may be called from others meanwhile."""

    def __init__(self, block: ClusterBlock, ram: Ram, bus: Bus, engine: Engine) -> None:
        self._block = block
        self._ram = ram
        self._bus = bus
        self._engine = engine
        self._device_accesses = 0
        self._exits = dict.fromkeys(Exit, 0)
        ram.follow(engine)

    @property
    def icount(self) -> int:
        """Instructions attempted since power-on, over all harts."""
        return self._block.icount

    @property
    def virtual_ns(self) -> int:
        """The virtual clock."""
        return (self._block.icount << self._block.shift) + self._block.warp

    @property
    def mtime(self) -> int:
        """The time that the guest reads, in ticks of the time base."""
        return (self.virtual_ns // TICK_NS + self._block.time_offset) % (1 << 64)

    @mtime.setter
    def mtime(self, ticks: int) -> None:
        self._block.time_offset += ticks - self.mtime

    @property
    def turn(self) -> tuple[int, int]:
        """Which hart's turn it is, and how many instructions of it are left."""
        return self._block.current, self._block.quantum_left

    @property
    def harts(self) -> Sequence[HartState]:
        return self._block.members

    def run(self, until: int) -> Exit:
        """Run all harts up to instruction count `until` exactly; or less far, for a reason."""
        block = self._block
        assert until >= block.icount, f"{until} is past: it is {block.icount}"
        block.until = until
        while True:
            action = self._engine.run()
            if action == MMIO:
                self._access_device()
            elif action == ATTENTION:
                block.attention = 0
                self._engine.attend()
            else:
                break
        if action == STOPPED:
            # A request that comes before this line is answered by this very return.
            block.stop = 0
        exit = Exit(action)
        self._exits[exit] += 1
        return exit

    def stats(self) -> dict[str, int]:
        """What was done so far, in numbers. A run of no instruction is one, too."""
        return {
            "instructions": self.icount,
            "device_accesses": self._device_accesses,
            "runs": sum(self._exits.values()),
            **{f"exits_{exit.name.lower()}": count for exit, count in self._exits.items()},
            **self._engine.stats(),
        }

    def _access_device(self) -> None:
        """Do what the instruction under way asked for; the engine then finishes it."""
        block = self._block
        self._device_accesses += 1
        try:
            if block.mmio_kind == MMIO_PROBE:
                self._bus.probe(block.mmio_addr, block.mmio_size)
            elif block.mmio_kind == MMIO_WATCHED:
                self._bus.stored(block.mmio_addr, block.mmio_size)
            elif block.mmio_kind == MMIO_STORE:
                value = block.mmio_value & ((1 << 8 * block.mmio_size) - 1)
                self._bus.write(block.mmio_addr, block.mmio_size, value)
            else:
                block.mmio_value = self._bus.read(block.mmio_addr, block.mmio_size)
            block.mmio_state = MMIO_DONE
        except BusError:
            block.mmio_state = MMIO_FAULTED

    def map_mtime(self, addr: int) -> None:
        """The time is at `addr`, 8 bytes: the harts read it without asking the bus."""
        self._block.mtime_at = addr

    def know(self, addr: int, size: int, value: int) -> None:
        """Have loads of `size` bytes at `addr` give `value`, until `forget`: ask no bus."""
        block = self._block
        block.known_at, block.known_size, block.known_value = addr, size, value

    def forget(self) -> None:
        """Ask the bus for everything again."""
        self._block.known_at, self._block.known_size = NOWHERE, 0

    def watch(self, address: int) -> None:
        """Tell the bus of every store to the 8 bytes of main memory at `address`, before it."""
        assert address % 8 == 0, f"{address:#x} may be on two pages"
        self._block.watched = address
        self._ram.flags[(address - self._ram.base) // PAGE] |= WATCHED
        self._engine.flush()

    def request_stop(self) -> None:
        """End the run under way within a millisecond, or else the next one before it begins."""
        self._block.stop = 1

    def warp(self, ns: int) -> None:
        """Advance the virtual clock, between two instructions."""
        assert ns >= 0, "time goes forward"
        self._block.warp += ns

    def next_deadline_ns(self) -> int | None:
        """The virtual time at which the first timer goes off that some hart listens to."""
        now = self.virtual_ns
        targets = (self._timer_ns(compare) for compare in self._comparators())
        return min((t for t in targets if t is not None and t > now), default=None)

    def _comparators(self) -> Sequence[int]:
        found = [hart.mtimecmp for hart in self.harts if hart.mie & MTIP]
        for hart in self.harts:
            if hart.mie & STIP and hart.menvcfg & ENVCFG_STCE:
                found.append(hart.stimecmp)
        return found

    def _timer_ns(self, compare: int) -> int | None:
        ticks = (compare - self._block.time_offset) % (1 << 64)
        return ticks * TICK_NS if ticks <= LAST_TICK else None

    def set_irq(self, hart: int, bit: int, level: bool) -> None:
        """Drive an interrupt line: bit `bit` of the hart's mip."""
        state = self.harts[hart]
        state.mip = state.mip | 1 << bit if level else state.mip & ~(1 << bit)

    def reset(self, pc: int, regs: Mapping[int, int]) -> None:
        """Every hart starts at `pc` with these registers and its number in a0. Time goes on."""
        block = self._block
        for number, hart in enumerate(self.harts):
            hart.reset(number)
            hart.pc = pc
            for index, value in regs.items():
                hart.x[index] = value
            hart.x[_A0] = number
        block.current = 0
        block.quantum_left = block.quantum
        self._engine.flush()

    def change_engine(self, name: str) -> None:
        """Go on with another engine, as if it had been this one all the time."""
        self._check_settled()
        self._engine.flush()
        for page, flags in enumerate(bytes(self._ram.flags)):
            if flags & CODE:  # regions may be in it
                self._engine.before_write(self._ram.base + page * PAGE, 1)
        self._engine = _make_engine(name, self._block, self._ram, _quiet)
        self._engine.flush()
        self._ram.follow(self._engine)

    def save(self) -> CpuState:
        """The state of all harts, exactly."""
        self._check_settled()
        return self._block.save()

    def restore(self, state: CpuState) -> None:
        """Become what `state` says; it must come from as many harts."""
        if len(state.harts) != len(self.harts):
            raise InternalError(f"a state of {len(state.harts)} harts for {len(self.harts)}")
        self._check_settled()
        self._block.restore(state)
        self._engine.flush()

    def _check_settled(self) -> None:
        assert self._block.mmio_state == MMIO_NONE, "an instruction is under way"

    def hart_fields(self, hart: int) -> dict[str, int]:
        """The canonical state of one hart by name, for digests and divergence reports."""
        return self.harts[hart].fields()


def make_cpu(
    engine: str,
    harts: int,
    ram: Ram,
    bus: Bus,
    shift: int,
    quantum: int = 20_000,
    notify: Notify | None = None,
    regions: RegionSupply | None = None,
    features: int = FEATURES,
) -> Cpu:
    """Harts that have not been reset yet.

    `engine`: "auto" is fastest, "interp" does without regions, "reference" is obvious. `regions`
    is for "auto"; without it regions are compiled while the guest waits. `features` are those that
    isa/state names.
    """
    block = ClusterBlock(harts)
    for hart in block.members:
        hart.features = features
    block.watched = NOWHERE
    block.shift, block.quantum, block.quantum_left = shift, quantum, quantum
    block.mtime_at = block.known_at = NOWHERE
    block.ram_base, block.ram_size = ram.base, ram.size
    block.ram_host = host_address(ram.memory)
    block.flags_host = host_address(ram.flags)
    block.pool_host = host_address(ram.pool)
    block.table_list = host_address(ram.table_list)
    block.heat_host = host_address(ram.heat)
    cpu = Cpu(block, ram, bus, _make_engine(engine, block, ram, notify or _quiet, regions))
    cpu.reset(ram.base, {})
    return cpu


def _make_engine(
    name: str, block: ClusterBlock, ram: Ram, notify: Notify, regions: RegionSupply | None = None
) -> Engine:
    # Each engine is imported when asked for: the native one brings a compiler along.
    block.heat_least = NEVER_HOT
    if name == "interp":
        from lockstep.cpu.native.engine import NativeEngine

        return NativeEngine(block, notify)
    if name == "auto":
        from lockstep.cpu.native.engine import RegionEngine

        return RegionEngine(block, ram, notify, regions)
    if name == "reference":
        from lockstep.cpu.reference import ReferenceEngine

        return ReferenceEngine(block, ram)
    raise UsageError(f"there is no engine {name!r}", remedy="give auto, interp or reference")


def _quiet(message: str) -> None:
    """Nobody wants to hear."""
