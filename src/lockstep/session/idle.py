"""What to do while every hart waits: the main loop asks here, and nobody else may move the clock.

Three answers, by what the session is: `RealIdle` lets real time pass and logs how much did,
`SkipIdle` jumps to the next timer and logs nothing, as a replay jumps there too, and `ReplayIdle`
finds everything in the log.
"""

from typing import NamedTuple, NoReturn, Protocol

from lockstep.det.instant import LATEST_NS, Icount
from lockstep.det.world import Arrival, World
from lockstep.host.clock import Clock
from lockstep.host.live import Live
from lockstep.session.outcome import POWER, WARP


class Waiting(NamedTuple):
    """The machine as it waits. `timer_ns`: how long until the next virtual timer, if there is one;
    `jumped_ns`: what the clock has jumped since the last instruction, unlogged; `left_ns`: how long
    until virtual time ends."""

    at: Icount
    timer_ns: int | None
    jumped_ns: int
    may_hear: bool
    left_ns: int = LATEST_NS


class Advice(NamedTuple):
    """Wake the harts, perhaps with a jump of the clock; or wait, at most so long."""

    wake: bool
    jump_ns: int | None = None
    wait_ns: int | None = None


class Idle(Protocol):
    """Asked under both locks, again and again while the machine waits."""

    def advise(self, waiting: Waiting) -> Advice:
        """What to do now."""


class RealIdle:
    """A machine that waits as long as a real one would. How long that was is logged."""

    def __init__(self, live: Live, clock: Clock) -> None:
        self._live = live
        self._clock = clock
        self._since: int | None = None

    def advise(self, waiting: Waiting) -> Advice:
        """Wake at the timer, or at what comes before it, with a warp of the time that passed."""
        now = self._clock()
        if self._since is None:
            self._since = now
        passed, timer = min(now - self._since, waiting.left_ns), waiting.timer_ns
        if timer is not None and passed >= timer:
            passed = timer  # never past it: what the guest finds is a timer on time
        elif not self._live.pending:
            if timer is None and not waiting.may_hear:
                self._live.post(Arrival(POWER, b"idle"))
                return self._wake(0)
            return Advice(wake=False, wait_ns=None if timer is None else timer - passed)
        return self._wake(passed)

    def _wake(self, passed: int) -> Advice:
        self._since = None
        if passed:
            self._live.post_first(_warp(passed))
        return Advice(wake=True)


class SkipIdle:
    """A machine that never waits for a timer: virtual time jumps there."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def advise(self, waiting: Waiting) -> Advice:
        """Jump, unless something arrived."""
        if self._live.pending:
            if waiting.jumped_ns:
                # The jumps so far came before this arrival: replay has to know.
                self._live.post_first(_warp(waiting.jumped_ns))
            return Advice(wake=True)
        if waiting.timer_ns is not None:
            return Advice(wake=True, jump_ns=waiting.timer_ns)
        if not waiting.may_hear:
            self._live.post(Arrival(POWER, b"idle"))
            return self.advise(waiting)
        return Advice(wake=False)


class Script(World, Protocol):
    """A world that knows what comes next."""

    def stalled(self, offers: str) -> NoReturn:
        """Raise that the machine will not get there, and what it does instead."""


class ReplayIdle:
    """A machine whose waits are in the log; those of `--idle skip` are jumps, computed again."""

    def __init__(self, world: Script, *, skip: bool) -> None:
        self._world = world
        self._skip = skip

    def advise(self, waiting: Waiting) -> Advice:
        """Go on with what the log has for this instant, or jump."""
        horizon = self._world.horizon(waiting.at)
        if horizon <= waiting.at:
            return Advice(wake=True)
        if self._skip and waiting.timer_ns is not None:
            return Advice(wake=True, jump_ns=waiting.timer_ns)
        self._world.stalled("waits, with every hart idle and nothing to wake it")


def _warp(ns: int) -> Arrival:
    return Arrival(WARP, ns.to_bytes(8, "little"))
