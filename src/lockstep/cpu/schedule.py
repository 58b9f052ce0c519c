"""Which hart runs next, how far, and what wakes it: one source for every engine.

Everything decided here is a function of the machine's state at an instruction count. A period may
end anywhere, so nothing is written down unless an instruction follows (DESIGN 3): `select` commits
its choice only when it returns RUN, and a run of zero instructions changes nothing.
"""

from __future__ import annotations

from typing import Final

from lockstep.cpu.layout import MMIO_NONE, MMIO_REQUESTED
from lockstep.cpu.vocabulary import Cluster, EngineHart
from lockstep.det.instant import LATEST_NS
from lockstep.isa.interrupts import interrupt_to_take, wakes
from lockstep.isa.privileged import ENVCFG_STCE
from lockstep.isa.sem import outlined, sem
from lockstep.isa.state import NO_RESERVATION
from lockstep.isa.traps import enter_trap
from lockstep.isa.values import Word

# What a run ends with.
RUN: Final = 0
DONE: Final = 1
IDLE: Final = 2
STOPPED: Final = 3
MMIO: Final = 4
ATTENTION: Final = 5  # the engine's own business

TICK_NS: Final = 100  # the 10 MHz timebase of the device tree
LAST_TICK: Final = LATEST_NS // TICK_NS
"""Time ends before the next one: a comparator that asks for it is never reached."""


@sem
def virtual_ns(c: Cluster) -> Word:
    """The virtual clock."""
    return (c.icount << c.shift) + c.warp


@sem
def _until_ticks(c: Cluster, compare: Word) -> Word:
    """Instructions until mtime reaches `compare`; a slice if it has or if that is further off."""
    ticks = compare - c.time_offset
    result = c.slice
    if ticks < LAST_TICK + 1:
        target = ticks * TICK_NS
        now = virtual_ns(c)
        if target > now:
            distance = (target - now + (c.const(1) << c.shift) - 1) >> c.shift
            result = _least(c, distance, result)
    return result


@sem
def _least(c: Cluster, a: Word, b: Word) -> Word:
    return a if a < b else b


@outlined
def _budget(c: Cluster, h: EngineHart, quantum_left: Word) -> Word:
    """How far hart `h` may run before something is to be decided anew."""
    budget = _least(c, c.until - c.icount, quantum_left)
    budget = _least(c, budget, _until_ticks(c, h.mtimecmp))
    if h.menvcfg & ENVCFG_STCE != 0:
        budget = _least(c, budget, _until_ticks(c, h.stimecmp))
    return _least(c, budget, c.slice)


@sem
def _settle(c: Cluster, h: EngineHart) -> None:
    """Let `h.icount()` and `h.time()` say now."""
    h.limit = c.icount
    h.left = c.const(0)


@sem
def _commit(c: Cluster, h: EngineHart, number: Word, quantum_left: Word) -> None:
    if number != c.current:
        h.reservation = c.const(NO_RESERVATION)
    c.current = number
    c.quantum_left = quantum_left
    h.waiting = c.const(0)
    cause = interrupt_to_take(h)
    if cause != 0:
        h.pc = enter_trap(h, cause, h.const(0), True)
    budget = _budget(c, h, quantum_left)
    c.budget = budget
    h.limit = c.icount + budget
    h.left = budget
    h.attempted_base = h.attempted - c.icount


@outlined
def select(c: Cluster) -> Word:
    """Choose the hart that runs now. RUN: c.current, c.budget are set; DONE or IDLE: no change."""
    if c.mmio_state != MMIO_NONE:
        # An instruction waits for its device access: it alone runs, interrupts come after it.
        h = c.hart(c.current)
        c.budget = c.const(1)
        h.limit = c.icount + 1
        h.left = c.const(1)
        h.attempted_base = h.attempted - c.icount
        return c.const(RUN)
    if c.icount == c.until:
        return c.const(DONE)
    number = c.current
    quantum_left = c.quantum_left
    tried = c.const(0)
    while tried <= c.harts:
        if quantum_left == 0:
            number = number + 1
            if number == c.harts:
                number = c.const(0)
            quantum_left = c.quantum
        h = c.hart(number)
        _settle(c, h)
        if h.waiting == 0 or wakes(h):
            _commit(c, h, number, quantum_left)
            return c.const(RUN)
        quantum_left = c.const(0)
        tried = tried + 1
    return c.const(IDLE)


@outlined
def run(c: Cluster) -> Word:
    """Run until c.until, until all harts wait, until stopped, or until Python has work."""
    action = c.const(RUN)
    while action == RUN:
        if c.stop != 0 and c.mmio_state == MMIO_NONE:
            action = c.const(STOPPED)
        elif c.attention != 0 and c.mmio_state == MMIO_NONE:
            action = c.const(ATTENTION)
        else:
            action = select(c)
            if action == RUN:
                action = _slice(c)
    return action


@sem
def _slice(c: Cluster) -> Word:
    h = c.hart(c.current)
    c.execute(h, c.budget)
    used = c.budget - h.left
    c.icount = c.icount + used
    c.quantum_left = c.quantum_left - _least(c, used, c.quantum_left)
    h.attempted = h.attempted + used
    h.reschedule_due = c.const(0)
    if h.waiting != 0:
        c.quantum_left = c.const(0)
    return c.const(MMIO) if c.mmio_state == MMIO_REQUESTED else c.const(RUN)
