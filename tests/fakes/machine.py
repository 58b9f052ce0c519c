"""A machine whose guest is a few Python functions, each run at its instruction. Fakes `Machine`.

It keeps the promises that the session relies on: a period may end anywhere, a run of no instruction
changes nothing, a stop request made by a device ends the run right after that instruction.
"""

import threading
import time
from collections.abc import Callable, Mapping
from types import SimpleNamespace

from lockstep.cpu.engine import Exit
from lockstep.det.state import Digests, digest
from lockstep.det.world import Arrival
from lockstep.machine.machine import POWER_REQUESTS, PowerEvent

STEP = 1000


class FakeCpu:
    """One hart. `guest` maps instants to what the guest does there."""

    def __init__(self, machine: "FakeMachine", shift: int) -> None:
        self.icount = 0
        self.pc = 0
        self.warped = 0
        self.waiting = False
        self.timer_ns: int | None = None
        self.harts = [self]
        self.periods: list[int] = []
        self.pace_s = 0.0
        self._machine = machine
        self._shift = shift
        self._stop = threading.Event()

    @property
    def virtual_ns(self) -> int:
        return (self.icount << self._shift) + self.warped

    def request_stop(self) -> None:
        self._stop.set()

    def warp(self, ns: int) -> None:
        assert ns >= 0
        self.warped += ns

    def next_deadline_ns(self) -> int | None:
        timer = self.timer_ns
        return timer if timer is not None and timer > self.virtual_ns else None

    def run(self, until: int) -> Exit:
        self.periods.append(self.icount)
        while self.icount < until:
            if self._stop.is_set():
                self._stop.clear()
                return Exit.STOPPED
            if not self._runnable():
                return Exit.IDLE
            self._step(until)
        return Exit.DONE

    def _runnable(self) -> bool:
        if self.timer_ns is not None and self.timer_ns <= self.virtual_ns:
            self.waiting = False
        return not self.waiting

    def _step(self, until: int) -> None:
        action = self._machine.guest.get(self.icount)
        if action is not None:
            action(self._machine)
            self.icount += 1
            return
        ahead = (at for at in self._machine.guest if at > self.icount)
        self.icount = min(until, self.icount + STEP, *ahead)
        if self.pace_s:
            time.sleep(self.pace_s)


class FakeMachine:
    """Whatever it is told goes into `memory`, and so into its digest."""

    def __init__(
        self,
        guest: Mapping[int, Callable[["FakeMachine"], None]],
        outlet_for: Callable[[str], object],
        guard: object,
        shift: int = 0,
    ) -> None:
        self.guest = dict(guest)
        self.config = SimpleNamespace(shift=shift)
        self.cpu = FakeCpu(self, shift)
        self.guard = guard
        self.outlets = {name: outlet_for(name) for name in ("serial0", "rtc")}
        self.memory: list[object] = []
        self.power: PowerEvent | None = None
        self.deadline_ns: int | None = None
        self.resets = 0

    # What a guest does.

    def say(self, text: bytes) -> None:
        with self.guard:
            self.outlets["serial0"].emit(text)

    def look_at_the_clock(self) -> None:
        with self.guard:
            self.memory.append(self.outlets["rtc"].ask("wall-clock", 8))

    def wait(self, timer_in_ns: int | None = None) -> None:
        """WFI, with a timer or without."""
        cpu = self.cpu
        cpu.timer_ns = None if timer_in_ns is None else cpu.virtual_ns + timer_in_ns
        cpu.waiting = True

    def set_device_timer(self, in_ns: int) -> None:
        self.deadline_ns = self.cpu.virtual_ns + in_ns
        self.cpu.request_stop()

    def finish(self, kind: str, code: int = 0) -> None:
        self.power = PowerEvent(kind, code)
        self.cpu.request_stop()

    # What the session asks for.

    def deliver(self, arrival: Arrival) -> None:
        if arrival.port == "power":
            self.power = PowerEvent(POWER_REQUESTS[arrival.data])
            return
        self.memory.append((self.cpu.icount, self.cpu.virtual_ns, arrival))
        self.cpu.waiting = False

    def hungry(self, port: str) -> bool:
        return True

    def run_timers(self) -> None:
        self.memory.append(("timer", self.cpu.icount, self.cpu.virtual_ns))
        self.deadline_ns = None

    def reset(self) -> None:
        self.resets += 1
        self.power = None
        self.memory.append(("reset", self.cpu.icount))
        self.cpu.waiting = False

    def digests(self) -> Digests:
        memory = digest([repr(each) for each in self.memory])
        board = digest((self.cpu.icount, self.cpu.virtual_ns, self.resets))
        return Digests(harts=[board], devices={"memory": memory}, ram=bytes(16))
