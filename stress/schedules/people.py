"""Everybody who bothers a session: each is a thread that acts now and then, as its seed says."""

from __future__ import annotations

import random
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from lockstep.det.fifo import LockError
from lockstep.det.world import Arrival
from lockstep.errors import InternalError
from lockstep.session.loop import Session
from lockstep.session.outcome import RESET, SERIAL, SHUTDOWN
from stress.schedules.place import Place
from stress.schedules.wire import Wire

_LONGEST_PAUSE_NS = 30_000_000
_LAST_CALL_NS = 3_000_000_000


T = TypeVar("T")


class Over(Exception):
    """The session has ended."""


@dataclass
class Crowd:
    """The people of one session. `wrongs` are answers that nobody should have got."""

    place: Place
    session: Session
    wire: Wire
    runner: threading.Thread
    gentle: bool
    """Nobody ends the session or breaks it: a replay is to come to its end."""
    wrongs: list[str]
    answers: int = 0
    actions: int = 0

    def gather(self) -> None:
        """Send them out. They act until the session is over."""
        rng = self.place.rng
        kinds = [self.asks, self.types, self.nudges, self.completes, self.asks_wrongly]
        if not self.gentle:
            kinds += [self.resets, self.shuts_down, self.quits, self.interrupts]
            kinds += [self.exits, self.asks_to_exit, self.stops_reading, self.hangs_up]
        for kind in rng.sample(kinds, rng.randrange(1, 5)):
            self._send(kind, rng.randrange(1, 12))
        if not self.gentle:
            self._send(self._last_call, 2, wait_ns=_LAST_CALL_NS)

    def _send(self, kind: Callable[[], None], times: int, wait_ns: int = 0) -> None:
        rng = random.Random(self.place.rng.random())

        def live() -> None:
            try:
                for _ in range(times):
                    self.place.sleep(wait_ns or rng.randrange(_LONGEST_PAUSE_NS))
                    self.actions += 1
                    kind()
            except Over:
                pass
            except Exception:
                self.wrongs.append(f"{kind.__name__}: {traceback.format_exc()}")

        self.place.threads.Thread(target=live, name=kind.__name__.strip("_")).start()

    # What they do.

    def asks(self) -> None:
        """Where is the machine?"""
        status = self._ask(self.session.status)
        self.answers += 1
        if status.instructions < 0:
            self.wrongs.append(f"the machine is at {status.instructions}")

    def asks_wrongly(self) -> None:
        """For something that fails: the asker alone hears of it."""
        try:
            self._ask(lambda: 1 // 0)
            self.wrongs.append("an error was not passed on")
        except ZeroDivisionError:
            self.answers += 1

    def types(self) -> None:
        """Sends input down the wire."""
        self.wire.input += b"typed\r"

    def nudges(self) -> None:
        """Ends the period, for no reason."""
        self.session._cpu.request_stop()

    def completes(self) -> None:
        """A worker that has done its blocking work hands the result to the main loop."""
        self._leave(lambda: self.session.post(Arrival(SERIAL, b"c")))

    def resets(self) -> None:
        """Presses the reset button."""
        self._leave(lambda: self.session.request(RESET))

    def shuts_down(self) -> None:
        """Presses the power button."""
        self._leave(lambda: self.session.request(SHUTDOWN))

    def quits(self) -> None:
        """Has enough."""
        self._leave(lambda: self.session.request(b"quit"))

    def interrupts(self) -> None:
        """Ctrl-C: a handler that runs in the main loop's thread, wherever that is."""
        signals = self.session._signals
        self.place.signal(self.runner, lambda: signals._note(signal.SIGINT, None))

    def exits(self) -> None:
        """`exit()` where it hurts: in the main loop, under both locks."""
        self._leave(sys.exit)

    def asks_to_exit(self) -> None:
        """The same, and waits for an answer."""
        self._ask(sys.exit)

    def stops_reading(self) -> None:
        """The reader of the output goes away, and stays away."""
        self.wire.stuck = True

    def hangs_up(self) -> None:
        """No more input can come."""
        self.wire.open = False

    def _last_call(self) -> None:
        """Guests that wait for ever, and readers that never read, end here."""
        self.interrupts()

    # How.

    def _ask(self, work: Callable[[], T]) -> T:
        try:
            return self.session.mailbox.ask(work)
        except LockError:
            raise
        except InternalError as error:
            if "the session is over" not in str(error):
                raise
            raise Over from None

    def _leave(self, work: Callable[[], object]) -> None:
        if not self.session.mailbox.leave(lambda: (work(), None)[1]):
            raise Over
