"""The vCPU thread: execution periods, each under the replay mutex from its budget to its account.

A period takes what has arrived, runs the timers that are due, and then lets the harts run to the
next instant at which something is known to happen. It may end anywhere before that, and nothing the
guest sees may depend on where: so at one instant the order is always checkpoint, timers, arrivals,
and a jump of the idle clock that no arrival came before.

Rejected: a period of fixed length (a wasted hand-over every few ms, and a host-visible latency);
arrivals applied by the main loop itself (their order against timers would be the host's).
"""

import threading
from collections.abc import Callable
from typing import Final

from lockstep.cpu.engine import Exit
from lockstep.det.instant import FOREVER, LATEST_NS, Icount
from lockstep.det.world import Arrival
from lockstep.host.clock import Clock, monotonic_ns
from lockstep.machine.device import Undeliverable
from lockstep.session.computer import Computer
from lockstep.session.outcome import ENDINGS, POWER, TO_THE_END, WARP, Outcome, Reason, Until
from lockstep.session.pace import Pace

_CHANGELESS_ROUNDS: Final = 1000

_LEAST_STEP: Final = 1000
"""No turn ends without so many instructions: a main loop that never rests cannot stop the guest."""

_SHORT_HOLD_S: Final = 0.01
"""What arrives can wait for so long; else the clock has jumped ahead of real time."""

_CONGESTED_S: Final = 0.01
"""How often to look whether the guest's output is being read again."""


class VCpu:
    """The thread that runs all harts, and the turnstile at which the main loop stops it.

    `post` tells the outside world, and so a recording, that the end asked for is reached; without
    it (in a replay) the machine just stops there.
    """

    def __init__(
        self,
        computer: Computer,
        ring: Callable[[], None],
        until: Until = TO_THE_END,
        pace: Pace | None = None,
        congested: Callable[[], bool] = lambda: False,
        clock: Clock = monotonic_ns,
        post: Callable[[Arrival], None] | None = None,
    ) -> None:
        self._machine, self._cpu, self._world, self._locks = computer
        self._ring = ring
        self._until = until
        self._pace = pace
        self._congested = congested
        self._clock = clock
        self._post = post
        self.thread = threading.Thread(target=self._main, name="vCPU", daemon=True)
        self.run_ns = self.idle_ns = 0
        """How long harts ran, and how long all of them waited. Written by the thread alone."""
        # Guarded by the big lock.
        self.outcome: Outcome | None = None
        self.failure: BaseException | None = None
        self._jump_ns: int | None = None
        self._jumped_ns = 0  # since the last instruction
        # Guarded by _turn.
        self._turn = threading.Condition()
        self._idle = False
        self._wanted = False
        self._kicked = False  # something arrived, which is not to wait for real time to catch up
        self._owed = False  # the main loop had its turn, and this thread not yet
        self._pausing = False
        self._quitting = False
        self._ended = False
        self._abandoned = False
        self._holding = False
        self._paused = self._locks.wait_point("pause")

    # The main loop's side.

    @property
    def idle(self) -> bool:
        """Whether every hart waits, and this thread with them, until `wake`."""
        return self._idle

    @property
    def over(self) -> bool:
        """Whether there will be no more periods."""
        return self.outcome is not None or self.failure is not None

    @property
    def holding(self) -> bool:
        """Whether this thread waits for a reader of the output, or for real time."""
        return self._holding

    @property
    def pausing(self) -> bool:
        """Whether no period is to run until `resume`."""
        return self._pausing

    @property
    def jumped_ns(self) -> int:
        """What `wake` has added to the clock since the last instruction."""
        return self._jumped_ns

    def make_way(self) -> None:
        """Before taking the locks: end the period, and start no other until `go_on`.

        A turn that is owed comes first, or a main loop that never rests would be in again before
        this thread can queue.
        """
        with self._turn:
            if self._owed:
                with self._locks.waiting_for(self.thread, "take its turn"):
                    self._turn.wait_for(lambda: not self._owed)
            self._wanted = True
        self._cpu.request_stop()

    def go_on(self) -> None:
        """The locks are taken: this thread may queue for them again."""
        with self._turn:
            self._wanted = False
            self._let_go()

    def wake(self, jump_ns: int | None = None) -> None:
        """Run again: something arrived, or the clock is to jump. The caller holds the locks."""
        self._jump_ns = jump_ns
        with self._turn:
            self._idle = False
            self._let_go()

    def give_up(self, reason: Reason) -> None:
        """End here, unrecorded. The caller holds the replay mutex, so no period runs."""
        self.outcome = Outcome(reason, self._cpu.icount, self._cpu.virtual_ns, given_up=True)

    def nudge(self) -> None:
        """End the period so that the next one takes what has arrived."""
        with self._turn:
            self._kicked = True
            self._turn.notify_all()
        self._cpu.request_stop()

    def pause(self) -> None:
        """Return once no period runs and none will until `resume`. The caller holds no lock."""
        with self._turn:
            if not self._ended:  # or it has arrived for good
                self._paused.reset()
            self._pausing = True
            self._turn.notify_all()
        self._cpu.request_stop()
        if self.thread.ident is not None:
            self._paused.wait_for(self.thread)

    def resume(self) -> None:
        """The opposite of `pause`."""
        with self._turn:
            self._pausing = False
            self._let_go()

    def _let_go(self) -> None:
        self._owed = not (self._idle or self._pausing or self._ended)
        self._turn.notify_all()

    def stop(self) -> None:
        """End the thread, wherever it is. The caller holds no lock."""
        with self._turn:
            self._quitting = True
            self._turn.notify_all()
        self._cpu.request_stop()
        if self.thread.ident is not None:
            with self._locks.waiting_for(self.thread, "end"):
                with self._turn:
                    self._turn.wait_for(lambda: self._ended or self._abandoned)
                if not self._abandoned:
                    self.thread.join()

    def abandon(self, failure: BaseException) -> None:
        """Call it over, although this thread does not come back. From any thread."""
        self.failure = failure
        with self._turn:
            self._abandoned = self._quitting = True
            self._owed = False
            self._paused.arrive()
            self._turn.notify_all()

    # The thread's side.

    def _main(self) -> None:
        try:
            while self._rest():
                self._period()
        except BaseException as error:  # reported by the main loop, in its own thread
            self.failure = error
            self._locks.big.release_if_held()
            self._locks.replay.release_if_held()
        finally:
            with self._turn:
                self._ended = True
                self._paused.arrive()
                self._settle()
                self._turn.notify_all()
            if not self._abandoned:  # or there is no bell any more
                self._ring()

    def _rest(self) -> bool:
        """Wait, holding nothing, while it is not this thread's turn. False: it is over."""
        with self._turn:
            while not (self._quitting or self.over):
                hold_s = None
                if self._pausing:
                    self._paused.arrive()
                elif not (self._idle or self._wanted):
                    hold_s = self._hold_s()
                    if hold_s <= 0:
                        self._holding = self._kicked = False
                        return True
                self._settle()
                self._holding = hold_s is not None
                self._wait(hold_s)
            return False

    def _wait(self, hold_s: float | None) -> None:
        """For something to change, at most so long. Under _turn."""
        began = self._clock() if self._idle else None
        self._turn.wait(hold_s)
        if began is not None:
            self.idle_ns += self._clock() - began

    def _settle(self) -> None:
        """Nothing is owed: this thread has its turn, or does not want one now. Under _turn."""
        if self._owed:
            self._owed = False
            self._turn.notify_all()

    def _hold_s(self) -> float:
        """How long to wait for a reader of the output, or for real time. Nobody but this thread
        changes the clock that it reads."""
        if self._congested():
            return _CONGESTED_S
        if self._pace is None:
            return 0
        hold_s = self._pace.hold_s(self._cpu.virtual_ns)
        return 0 if self._kicked and hold_s > _SHORT_HOLD_S else hold_s

    def _period(self) -> None:
        with self._locks.replay:
            with self._turn:
                self._settle()
            with self._locks.big:
                until = self._begin()
            if until is None:
                return
            start = self._cpu.icount
            exit = self._run(until)
            with self._locks.big:
                if self._cpu.icount != start:
                    self._jumped_ns = 0
                self._account(exit)
        if self._idle or self.over:
            self._ring()

    def _run(self, until: Icount) -> Exit:
        start, began = self._cpu.icount, self._clock()
        exit = self._cpu.run(until)
        if exit is Exit.STOPPED and self._cpu.icount == start:
            exit = self._cpu.run(min(until, Icount(start + _LEAST_STEP)))
        self.run_ns += self._clock() - began
        return exit

    def _begin(self) -> Icount | None:
        """Do all that is due now. How far to run then; None if this was the end."""
        for _ in range(_CHANGELESS_ROUNDS):
            now = Icount(self._cpu.icount)
            self._world.checkpoint("periodic", now, self._machine.digests)
            self._run_timers()
            self._take_arrivals(now)
            if self.outcome is None:
                self._heed_power()  # of a timer
            if self.outcome is None and self._at_end(now):
                continue
            if self.outcome is not None:
                return None
            until = min(
                self._world.horizon(now),
                self._until.at,
                self._instant_of(self._until.virtual_ns),
                self._next_timer(),
            )
            if self._pace is not None:
                until = min(until, Icount(now + self._pace.slice))
            if until > now:
                return until
        # Undeliverable: of a replay it is the log that says so; otherwise it is a bug of ours.
        raise Undeliverable(f"nothing moves at instruction {now:,}: the horizon stays where it is")

    def _at_end(self, now: Icount) -> bool:
        """Whether it is time to end, which has been seen to."""
        late = self._cpu.virtual_ns >= self._until.virtual_ns
        if not late and now < self._until.at:
            return False
        reason: Reason = "end-of-time" if self._cpu.virtual_ns >= LATEST_NS else "until"
        if self._post is None:
            self.outcome = Outcome(reason, now, self._cpu.virtual_ns)
            return True
        if self._jumped_ns:
            # The jumps so far came before the end: replay has to know.
            self._post(Arrival(WARP, self._jumped_ns.to_bytes(8, "little")))
        self._post(Arrival(POWER, reason.encode()))
        return True

    def _instant_of(self, virtual_ns: int) -> Icount:
        """When the virtual clock will be there if it does not jump."""
        distance_ns = virtual_ns - self._cpu.virtual_ns
        return Icount(self._cpu.icount - (-distance_ns >> self._machine.config.shift))

    def _take_arrivals(self, now: Icount) -> None:
        jump_ns, self._jump_ns = self._jump_ns, None
        arrivals = self._world.arrivals(now)
        for arrival in arrivals:
            self._deliver(arrival)
            self._run_timers()
            if self.outcome is not None:
                return
        # After an arrival the guest may have something better to do than to wait for its timer:
        # if not, the main loop will hear of it again.
        if jump_ns is not None and not arrivals:
            self._jumped_ns += jump_ns
            self._cpu.warp(jump_ns)
            self._run_timers()

    def _deliver(self, arrival: Arrival) -> None:
        if arrival.port == WARP:
            self._warp(int.from_bytes(arrival.data, "little"))
        elif arrival.port == POWER and arrival.data in ENDINGS:
            self._end(ENDINGS[arrival.data])
        else:
            self._machine.deliver(arrival)
            self._heed_power()

    def _warp(self, ns: int) -> None:
        if not ns:
            raise Undeliverable("the clock would have to jump by nothing")
        # What was jumped already was not logged; an arrival that comes in between says so.
        ns -= self._jumped_ns
        if ns < 0:
            raise Undeliverable(f"the clock would have to go back by {-ns:,} ns")
        if self._cpu.virtual_ns + ns > LATEST_NS:
            raise Undeliverable(f"the clock would have to go to {self._cpu.virtual_ns + ns:,} ns")
        self._jumped_ns = 0
        self._jump(ns)
        self._world.checkpoint("warp", Icount(self._cpu.icount), self._machine.digests)

    def _jump(self, ns: int) -> None:
        """Let the clock jump; device timers on the way ring at their own time, as they did when it
        was jumped in parts."""
        target = self._cpu.virtual_ns + ns
        while (timer := self._machine.deadline_ns) is not None and timer < target:
            self._cpu.warp(max(0, timer - self._cpu.virtual_ns))
            self._run_timers()
        self._cpu.warp(target - self._cpu.virtual_ns)

    def _run_timers(self) -> None:
        machine = self._machine
        while machine.deadline_ns is not None and machine.deadline_ns <= self._cpu.virtual_ns:
            machine.run_timers()

    def _next_timer(self) -> Icount:
        """The instant of the next device timer. A device that sets one stops the period."""
        deadline_ns = self._machine.deadline_ns
        return FOREVER if deadline_ns is None else self._instant_of(deadline_ns)

    def _account(self, exit: Exit) -> None:
        self._heed_power()
        if self.outcome is None and exit is Exit.IDLE:
            with self._turn:
                self._idle = True

    def _heed_power(self) -> None:
        """If the machine was switched off, or is to start again, see to it."""
        power = self._machine.power
        if power is None:
            return
        if power.kind == "reboot":
            self._reset()
        else:
            self._end(power.kind, power.code)

    def _reset(self) -> None:
        self._machine.reset()
        self._world.checkpoint("reset", Icount(self._cpu.icount), self._machine.digests)

    def _end(self, reason: Reason, code: int = 0) -> None:
        cpu = self._cpu
        self._world.checkpoint("shutdown", Icount(cpu.icount), self._machine.digests)
        self.outcome = Outcome(reason, cpu.icount, cpu.virtual_ns, code)
