"""The console: a serial back end and, when that is a terminal, escape keys and the monitor."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from lockstep.det.world import Arrival, line_break
from lockstep.host.serial import Serial
from lockstep.host.terminal import HELP, EscapeFilter, is_terminal, key_name, single_keys
from lockstep.session.control import Desk
from lockstep.session.monitor import Monitor
from lockstep.session.outcome import SERIAL
from lockstep.session.stamps import Clock, LineStamps

_STDIN: Final = 0


class Console:
    """While entered, the terminal (if it is one) hands over single keys. `marks`: the instant is
    shown in front of each line.

    States: made, entered, closed.
    """

    def __init__(self, serial: Serial, *, interactive: bool = False, marks: bool = False) -> None:
        self._serial = serial
        self._interactive = interactive and is_terminal(_STDIN)
        self._hold: Callable[[], None] = _carry_on
        self._put_back: Callable[[], None] | None = None
        self._keys = EscapeFilter()
        self._monitor: Monitor | None = None
        self._at_monitor = False
        self._stamps = LineStamps(instants=marks)
        self._clock: Clock = lambda: (0, 0)

    def __enter__(self) -> Self:
        if self._interactive:
            self._put_back = single_keys(_STDIN)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._put_back is not None:
            self._put_back()  # first, so that Ctrl-C is a signal while the last output is written
        self._serial.close()

    def sources(self, *, hungry: bool = True) -> Sequence[int]:
        """File descriptors on which something may come that the guest, or the monitor, will read.

        A guest that is not hungry has more than it reads; people still have their escape keys.
        """
        return self._serial.sources() if hungry or self._interactive else ()

    def may_hear(self) -> bool:
        """Whether anything may still come from outside."""
        return self._serial.can_receive()

    def abandon(self) -> None:
        """Stop waiting for a reader who does not read."""
        self._serial.abandon()

    def emit(self, data: bytes) -> None:
        """Show what the guest says. Holds the machine if nobody reads as fast as that."""
        self._serial.emit(self._stamps.mark(data, self._clock))
        if self._serial.congested():
            self._hold()

    def congested(self) -> bool:
        """Whether the guest has to wait until somebody reads what it said."""
        return self._serial.congested()

    def hold_with(self, hold: Callable[[], None]) -> None:
        """Have `hold` called when `congested` begins, from the thread that emits."""
        self._hold = hold

    def stamp_with(self, clock: Clock) -> None:
        """Have lines stamped by this clock, whenever somebody wants to see stamps."""
        self._clock = clock

    def take(self, source: int, desk: Desk) -> None:
        """Read a source that is ready, and pass on what came."""
        data = self._serial.receive(source)
        if not self._interactive:
            self._to_guest(data, desk)
            return
        for typed, command in self._keys.feed(data):
            if self._at_monitor:
                self._the_monitor(desk).type(typed)
            else:
                self._to_guest(typed, desk)
            if command is not None:
                self._obey(command, desk)

    def _to_guest(self, data: bytes, desk: Desk) -> None:
        if data:
            desk.post(Arrival(SERIAL, data))

    def _obey(self, command: str, desk: Desk) -> None:
        match command:
            case "x":
                if self._serial.congested():
                    self._serial.abandon()  # nobody reads it
                desk.request(b"quit")
            case "c":
                self._switch(self._the_monitor(desk))
            case "b":
                desk.post(line_break(SERIAL))
            case "t":
                self._stamps.on = not self._stamps.on
                say(f"lockstep: time stamps {'on' if self._stamps.on else 'off'}\n")
            case "h":
                say(HELP)
            case _:
                say(f"lockstep: there is no command Ctrl-A {key_name(command)}\n{HELP}")

    def _the_monitor(self, desk: Desk) -> Monitor:
        """The one monitor of the session: it remembers what was typed."""
        if self._monitor is None:
            self._monitor = Monitor(desk, say)
        return self._monitor

    def _switch(self, monitor: Monitor) -> None:
        self._at_monitor = not self._at_monitor
        if self._at_monitor:
            monitor.enter()
        else:
            monitor.leave()


def _carry_on() -> None:
    """Nothing can be held before there is a machine."""


def say(text: str) -> None:
    """Write for the user, not for whoever reads the guest's output. Does not wait for the user: the
    command line sees to that (`host.messages`), as both locks may be held."""
    with suppress(OSError):  # nobody can be told that nobody can be told
        sys.stderr.write(text)
        sys.stderr.flush()
