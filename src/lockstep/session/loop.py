"""The main loop: waits for the host with both locks dropped, then acts with both of them held.

It moves what came in to where the vCPU thread will take it, decides what the clock does while every
hart waits, answers other threads, and ends the session. Whatever is to touch the machine here waits
until the vCPU thread is between two periods.
"""

import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Final

from lockstep.det.instant import LATEST_NS, Icount
from lockstep.det.world import Arrival, line_break
from lockstep.host.clock import Clock, monotonic_ns
from lockstep.host.poller import Poller
from lockstep.host.signals import StopSignals
from lockstep.replay.bounds import MAX_AT_INSTANT
from lockstep.session.computer import Computer
from lockstep.session.console import Console
from lockstep.session.control import Mailbox, Status
from lockstep.session.idle import Idle, Waiting
from lockstep.session.outcome import ENDINGS, POWER, SERIAL, TO_THE_END, Outcome, Until
from lockstep.session.pace import Pace
from lockstep.session.vcpu import VCpu
from lockstep.threads import start

_BEAT_NS: Final = 400_000_000
"""How often the main loop has a look even if nothing happens: a recording is committed then.

No oftener than that: each look takes the locks from the vCPU thread, which on a busy host may find
its processor taken when it comes back.
"""

_DIGESTION_NS: Final = 20_000_000
"""How soon to look again whether the guest has read its input."""

_STOPS: Final = {
    signal.SIGINT: b"interrupt",
    signal.SIGTERM: b"terminate",
    signal.SIGHUP: b"hangup",
}
"""What is requested when one of these signals came."""

_MOST_BUTTONS: Final = 100
_MOST_ARRIVALS: Final = MAX_AT_INSTANT // 4
"""At one instant; each may bring a warp and a checkpoint with it."""

Stats = Mapping[str, int | float]
"""What was counted, by name; a time is in nanoseconds and its name ends with _ns."""


class Session:
    """A machine and its world, run by two threads. States: built (the thread that built it holds
    both locks), running, over.

    `post` takes what the outside does to the machine, or is None where the outside is a log. `tick`
    is told the instant and the host's time a few times a second, under the replay mutex. `counted`
    says what others counted, for `stats`. `timeout_ns`: end after so long, by the host's clock.
    `early` has heard the signals that came before this listens to them itself.
    """

    def __init__(
        self,
        computer: Computer,
        idle: Idle,
        console: Console,
        post: Callable[[Arrival], None] | None,
        *,
        until: Until = TO_THE_END,
        timeout_ns: int | None = None,
        early: StopSignals | None = None,
        pace: Pace | None = None,
        tick: Callable[[Icount, int], None] | None = None,
        clock: Clock = monotonic_ns,
        counted: Callable[[], Stats] = dict,
    ) -> None:
        self._machine, self._cpu, _, self._locks = computer
        self._idle = idle
        self._console = console
        self._post_arrival = post
        self._tick = tick
        self._clock = clock
        self._counted = counted
        self._began_ns = self._took_ns = 0
        self._poller = Poller()
        self.mailbox = Mailbox(self._poller.ring, computer.locks)
        self._signals = StopSignals(self._poller.ring, self._poller.bell)
        self._until = until
        self._timeout_ns = timeout_ns
        self._early = early
        self._vcpu = VCpu(computer, self._poller.ring, until, pace, self._congested, clock, post)
        console.hold_with(computer.cpu.request_stop)
        console.stamp_with(lambda: (computer.cpu.icount, computer.cpu.virtual_ns))
        self._posted = False
        self._crowd = (0, 0)
        """An instant, and how many arrivals were posted at it."""
        self._hungry = True
        self._told_to_end = False
        self._leaving = False

    def run(self) -> Outcome:
        """Run to the end. Whatever ended it, both threads and locks are at rest afterwards.

        The caller's thread becomes the main loop. It holds both locks already, or they have been
        transferred to it.
        """
        if not self._locks.big.held():
            self._locks.adopt()
        self.mailbox.server = threading.current_thread()
        self._began_ns = self._clock()
        with ExitStack() as stack:
            stack.callback(self._poller.close)
            stack.callback(self._rest)
            stack.enter_context(self._signals)
            if self._early is not None and self._early.received is not None:
                self._signals.received = self._early.received
            stack.enter_context(self._console)
            stack.callback(self._rest)  # before the console waits for a reader of the last output
            start(self._vcpu.thread)
            timeout: int | None = 0
            while not self._vcpu.over:
                ready = self._wait(timeout)
                timeout = self._dispatch(ready)
        if self._vcpu.failure is not None:
            raise self._vcpu.failure
        return self.outcome

    @property
    def outcome(self) -> Outcome:
        """How it ended; asked when it has."""
        assert self._vcpu.outcome is not None, "the session is not over"
        return self._vcpu.outcome

    def stats(self) -> dict[str, int | float]:
        """Where the time went; asked when it is over."""
        times = {"run_ns": self._vcpu.run_ns, "idle_ns": self._vcpu.idle_ns}
        return {"session_ns": self._took_ns, **times, **self._counted()}

    def hand_over(self, thread: threading.Thread) -> None:
        """Let another thread than the one that built the session run it."""
        self._locks.transfer_to(thread)
        self.mailbox.server = thread

    def _wait(self, timeout_ns: int | None) -> list[int]:
        """Poll, without the locks; come back with them."""
        self._locks.big.release()
        self._locks.replay.release()
        if self._tick is not None:
            timeout_ns = _sooner(timeout_ns, _BEAT_NS)
        if not (self._hungry or self._vcpu.idle):
            timeout_ns = _sooner(timeout_ns, _DIGESTION_NS)
        if (left_ns := self._left_ns()) is not None:
            timeout_ns = _sooner(timeout_ns, left_ns)
        ready = self._poller.wait(self._console.sources(hungry=self._hungry), timeout_ns)
        self._enter()
        return ready

    def _enter(self) -> None:
        self._vcpu.make_way()
        self._locks.replay.acquire()
        self._locks.big.acquire()
        self._vcpu.go_on()

    def _dispatch(self, ready: Sequence[int]) -> int | None:
        """One round, under both locks. How long the next wait may last at most."""
        self._heed_the_end()
        for source in ready:
            self._console.take(source, self)
        if self.mailbox.waiting:
            self._serve()
        # A device that failed did so in the middle of an instruction: no place to commit up to.
        if self._tick is not None and self._vcpu.failure is None:
            self._tick(Icount(self._cpu.icount), self._clock())
        timeout = self._settle_idle() if self._vcpu.idle else None
        if self._posted:
            self._posted = False
            self._vcpu.nudge()
        self._hungry = self._machine.hungry(SERIAL)
        return timeout

    def _heed_the_end(self) -> None:
        """A signal, or the end of the time allowed; the first of them counts."""
        if self._told_to_end:
            return
        if self._signals.received is not None:
            request = _STOPS[signal.Signals(self._signals.received)]
        elif self._left_ns() == 0:
            request = b"timeout"
        else:
            return
        self._told_to_end = True
        if self._console.congested():
            self._console.abandon()  # nobody reads it
        self.request(request)

    def _left_ns(self) -> int | None:
        """Of the time allowed."""
        if self._timeout_ns is None or self._told_to_end:
            return None
        return max(0, self._began_ns + self._timeout_ns - self._clock())

    def _settle_idle(self) -> int | None:
        cpu = self._cpu
        advice = self._idle.advise(
            Waiting(
                Icount(cpu.icount),
                self._timer_ns(),
                self._vcpu.jumped_ns,
                self._console.may_hear(),
                LATEST_NS - cpu.virtual_ns,
            )
        )
        if advice.wake:
            self._vcpu.wake(advice.jump_ns)
        return advice.wait_ns

    def _timer_ns(self) -> int | None:
        """How far off the next virtual timer is, or the end of the session if that comes first."""
        now = self._cpu.virtual_ns
        end = None if self._until.virtual_ns == LATEST_NS else self._until.virtual_ns
        deadlines = (self._machine.deadline_ns, self._cpu.next_deadline_ns(), end)
        return min((at - now for at in deadlines if at is not None and at > now), default=None)

    # What the outside wants. Called by the main loop's thread, under both locks.

    def post(self, arrival: Arrival) -> None:
        """Something arrives. In a replay the log alone says what does, so this is dropped."""
        if self._post_arrival is not None and self._admits(arrival):
            self._post_arrival(arrival)
            self._posted = True

    def _admits(self, arrival: Arrival) -> bool:
        """Of more at one instant than any reader of the recording would believe, only what ends
        the session: a machine that does nothing meanwhile has no use for another button."""
        if arrival == line_break(SERIAL) and not self._hungry:
            return False  # it comes as a character, like those that are not read any more
        now = self._cpu.icount
        self._crowd = (now, self._crowd[1] + 1 if self._crowd[0] == now else 1)
        most = _MOST_BUTTONS if arrival.port == POWER else _MOST_ARRIVALS
        return self._crowd[1] <= most or (arrival.port == POWER and arrival.data in ENDINGS)

    def type_in(self, data: bytes) -> None:
        """Somebody types on the console."""
        if data:
            self.post(Arrival(SERIAL, data))

    def request(self, power: bytes) -> None:
        """Press a button, or end the session: that is recorded too. A replay has no buttons, and
        just stops."""
        self._leaving = self._leaving or power in ENDINGS
        if self._post_arrival is not None:
            self.post(Arrival(POWER, power))
        elif power in ENDINGS:
            self._vcpu.give_up(ENDINGS[power])

    @property
    def resting(self) -> bool:
        """Whether the machine stands still on purpose. From any thread."""
        vcpu = self._vcpu
        running = vcpu.thread.ident is not None and not vcpu.over
        return not running or vcpu.pausing or vcpu.holding or self._congested()

    def abandon(self, failure: BaseException) -> None:
        """End with `failure`, although the vCPU thread does not come back. From any thread."""
        self._vcpu.abandon(failure)
        self._locks.replay.close()
        self._locks.big.close()
        self._poller.ring()

    def _congested(self) -> bool:
        """Whether the guest has to wait for a reader of its output. Who leaves does not."""
        return not self._leaving and self._console.congested()

    def ring(self) -> None:
        """Have the main loop look around at once. From any thread, while the session runs."""
        self._poller.ring()

    def status(self) -> Status:
        """Where the machine is; with `mailbox.ask`, from any thread."""
        cpu = self._cpu
        pcs = tuple(hart.pc for hart in cpu.harts)
        return Status(cpu.icount, cpu.virtual_ns, pcs, self._vcpu.idle, self._locks.counts())

    def _serve(self) -> None:
        """Do what other threads asked for, while the vCPU thread rests between two periods."""
        self._locks.big.release()
        self._locks.replay.release()
        self._vcpu.pause()
        self._enter()
        try:
            self.mailbox.serve()
        finally:
            self._vcpu.resume()

    def _rest(self) -> None:
        """Bring both threads and both locks to rest, from wherever they were."""
        self.mailbox.close()
        self._locks.big.release_if_held()
        self._locks.replay.release_if_held()
        self._vcpu.stop()
        self._took_ns = self._clock() - self._began_ns


def _sooner(timeout_ns: int | None, other_ns: int) -> int:
    return other_ns if timeout_ns is None else min(timeout_ns, other_ns)
