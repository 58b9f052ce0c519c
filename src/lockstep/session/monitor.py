"""The monitor: a prompt on the terminal for what is asked of the machine and not of the guest."""

from collections.abc import Callable
from typing import Final

from lockstep.session.control import Desk
from lockstep.session.lineeditor import LineEditor
from lockstep.session.outcome import RESET, SHUTDOWN

PROMPT: Final = "(lockstep) "

Command = Callable[[], bool]
"""Does something. False if the answer, and with it the next prompt, comes later."""


class Monitor:
    """Does what lines say. Has the keyboard from `enter` to `leave`, as often as that is."""

    def __init__(self, desk: Desk, say: Callable[[str], None]) -> None:
        self._desk = desk
        self._say = say
        self._open = False
        self._editor = LineEditor(PROMPT, say, self._obey, lambda: self._commands)
        self._commands: dict[str, tuple[str, Command]] = {
            "help": ("this list", self._help),
            "info": ("instruction count, time and program counters", self._info),
            "locks": ("how the threads waited for each other", self._locks),
            "system_reset": ("press the reset button", lambda: self._request(RESET)),
            "system_powerdown": ("switch the machine off", lambda: self._request(SHUTDOWN)),
            "quit": ("end the session", lambda: self._request(b"quit")),
        }

    def enter(self) -> None:
        """The keyboard is the monitor's."""
        self._open = True
        self._say("\nlockstep monitor: type help; Ctrl-A c returns to the console\n")
        self._editor.show()

    def type(self, typed: bytes) -> None:
        """Keys for the line."""
        self._editor.type(typed)

    def leave(self) -> None:
        """The keyboard goes back to the guest."""
        self._open = False
        self._say("\n")

    def _obey(self, line: str) -> None:
        if self._run(line):
            self._editor.show()

    def _run(self, line: str) -> bool:
        """Commands may be abbreviated, as long as it is clear which is meant."""
        words = line.split()
        if not words:
            return True
        name = words[0]
        fitting = [each for each in self._commands if each.startswith(name)]
        if name in self._commands or len(fitting) == 1:
            return self._commands[name if name in self._commands else fitting[0]][1]()
        if fitting:
            self._say(f"{name!r} may be any of {', '.join(fitting)}\n")
        else:
            self._say(f"there is no command {name!r}; try help\n")
        return True

    def _help(self) -> bool:
        for name, (meaning, _) in self._commands.items():
            self._say(f"{name:18}{meaning}\n")
        self._say(
            "Commands may be abbreviated; Tab completes them, the arrows bring old ones back.\n"
        )
        return True

    def _request(self, power: bytes) -> bool:
        self._desk.request(power)
        return True

    def _info(self) -> bool:
        return not self._desk.mailbox.leave(lambda: self._answer(self._report()))

    def _locks(self) -> bool:
        return not self._desk.mailbox.leave(lambda: self._answer(self._report_locks()))

    def _answer(self, text: str) -> None:
        self._say(text)
        if self._open:
            self._editor.show()

    def _report_locks(self) -> str:
        return "".join(f"{line}\n" for lock in self._desk.status().locks for line in lock.lines())

    def _report(self) -> str:
        status = self._desk.status()
        pcs = " ".join(f"{pc:#x}" for pc in status.pcs)
        return (
            f"instructions  {status.instructions:,}\n"
            f"virtual time  {status.virtual_ns / 1e9:.6f} s\n"
            f"pc            {pcs}{'  (waiting)' if status.idle else ''}\n"
        )
