"""The monitor: a prompt on the terminal for what is asked of the machine and not of the guest."""

from collections.abc import Callable
from typing import Final

from lockstep.session.control import Desk
from lockstep.session.outcome import RESET, SHUTDOWN

PROMPT: Final = "(lockstep) "
_ERASE: Final = b"\x08\x7f"
_ERASE_LINE: Final = 0x15  # Ctrl-U


class Monitor:
    """Edits a line, and does what it says. Lives while it has the keyboard."""

    def __init__(self, desk: Desk, say: Callable[[str], None]) -> None:
        self._desk = desk
        self._say = say
        self._line = bytearray()
        self._commands: dict[str, tuple[str, Callable[[], None]]] = {
            "help": ("this list", self._help),
            "info": ("instruction count, time and program counters", self._info),
            "locks": ("how the threads waited for each other", self._locks),
            "system_reset": ("press the reset button", lambda: desk.request(RESET)),
            "system_powerdown": ("switch the machine off", lambda: desk.request(SHUTDOWN)),
            "quit": ("end the session", lambda: desk.request(b"quit")),
        }
        say(f"\nlockstep monitor: type help; Ctrl-A c returns to the console\n{PROMPT}")

    def type(self, typed: bytes) -> None:
        """Keys for the line."""
        for byte in typed:
            if byte in b"\r\n":
                self._say("\n")
                self._enter()
            elif byte in _ERASE:
                if self._line:
                    self._line.pop()
                    self._say("\b \b")
            elif byte == _ERASE_LINE:
                self._say("\b \b" * len(self._line))
                self._line.clear()
            elif 0x20 <= byte < 0x7F:
                self._line.append(byte)
                self._say(chr(byte))

    def leave(self) -> None:
        """The keyboard goes back to the guest."""
        self._say("\n")

    def _enter(self) -> None:
        words = self._line.decode("ascii").split()
        self._line.clear()
        if words and words[0] in self._commands:
            self._commands[words[0]][1]()
        elif words:
            self._say(f"there is no command {words[0]!r}; try help\n")
        self._say(PROMPT)

    def _help(self) -> None:
        for name, (meaning, _) in self._commands.items():
            self._say(f"{name:18}{meaning}\n")

    def _info(self) -> None:
        self._desk.mailbox.leave(self._report)

    def _locks(self) -> None:
        self._desk.mailbox.leave(self._report_locks)

    def _report_locks(self) -> None:
        lines = [line for lock in self._desk.status().locks for line in lock.lines()]
        self._say("\n" + "\n".join(lines) + f"\n{PROMPT}")

    def _report(self) -> None:
        status = self._desk.status()
        pcs = " ".join(f"{pc:#x}" for pc in status.pcs)
        self._say(
            f"\ninstructions  {status.instructions:,}\n"
            f"virtual time  {status.virtual_ns / 1e9:.6f} s\n"
            f"pc            {pcs}{'  (waiting)' if status.idle else ''}\n{PROMPT}"
        )
