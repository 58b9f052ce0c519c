"""A line that is typed, with the keys of a shell: arrows, Home and End, history, Tab, Ctrl-C.

It is fed bytes as they come and shows what it does through `say`; it never reads or waits, so the
main loop can own the keyboard. (readline and prompt_toolkit want to do the reading themselves.)
"""

from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import Final

MOST_HISTORY: Final = 100
LONGEST: Final = 1000
"""Characters of a line; more are not taken."""

_ESC: Final = "\x1b"
_KEYS: Final = {  # what terminals send (ECMA-48, xterm), by the name of what it does
    "[A": "older",
    "OA": "older",
    "[B": "newer",
    "OB": "newer",
    "[C": "right",
    "OC": "right",
    "[D": "left",
    "OD": "left",
    "[H": "home",
    "OH": "home",
    "[1~": "home",
    "[F": "end",
    "OF": "end",
    "[4~": "end",
    "[3~": "delete",
    "\x02": "left",
    "\x03": "cancel",
    "\x05": "end",
    "\x06": "right",
    "\x08": "erase",
    "\x7f": "erase",
    "\x09": "complete",
    "\x0a": "enter",
    "\x0d": "enter",
    "\x0b": "kill",
    "\x0e": "newer",
    "\x10": "older",
    "\x15": "clear",
    "\x17": "erase_word",
}


class LineEditor:
    """Edits one line after the other. `entered` gets each that is ended; `words` are what Tab knows
    of at the beginning of a line."""

    def __init__(
        self,
        prompt: str,
        say: Callable[[str], None],
        entered: Callable[[str], None],
        words: Callable[[], Iterable[str]],
    ) -> None:
        self._prompt = prompt
        self._say = say
        self._entered = entered
        self._words = words
        self._line = ""
        self._at = 0
        self._sequence = ""
        self._history: list[str] = []
        self._shown: int | None = None  # of the history; None: the line is a new one
        self._draft = ""

    def show(self) -> None:
        """The prompt, and the line as far as it goes."""
        self._say(f"{self._prompt}{self._line}{self._back()}")

    def type(self, typed: bytes) -> None:
        """Keys for the line. Bytes that mean nothing here are dropped."""
        for key in typed.decode("latin-1"):
            self._key(key)

    def _key(self, key: str) -> None:
        if key == _ESC:
            self._sequence = key
        elif self._sequence:
            self._continue(key)
        elif key in _KEYS:
            getattr(self, f"_{_KEYS[key]}")()
        elif " " <= key <= "~" and len(self._line) < LONGEST:
            self._insert(key)

    def _continue(self, key: str) -> None:
        """A sequence is ESC, then [ or O, then parameters, and a final character (ECMA-48 5.4)."""
        self._sequence += key
        name = self._sequence.removeprefix(_ESC)
        if name in ("[", "O") or (name[0] == "[" and key in "0123456789;" and len(name) < 16):
            return
        self._sequence = ""
        if name in _KEYS:
            getattr(self, f"_{_KEYS[name]}")()

    def _insert(self, text: str) -> None:
        self._line = self._line[: self._at] + text + self._line[self._at :]
        self._at += len(text)
        if self._at == len(self._line):
            self._say(text)
        else:
            self._redraw()

    def _enter(self) -> None:
        self._say("\n")
        line, self._line, self._at, self._shown = self._line, "", 0, None
        if line.strip() and self._history[-1:] != [line]:
            self._history = [*self._history, line][-MOST_HISTORY:]
        self._entered(line)

    def _cancel(self) -> None:
        self._say("^C\n")
        self._line, self._at, self._shown = "", 0, None
        self.show()

    def _erase(self) -> None:
        if self._at:
            self._cut(self._at - 1, self._at)

    def _delete(self) -> None:
        self._cut(self._at, self._at + 1)

    def _kill(self) -> None:
        self._cut(self._at, len(self._line))

    def _clear(self) -> None:
        self._cut(0, self._at)

    def _erase_word(self) -> None:
        before = self._line[: self._at].rstrip(" ")
        self._cut(before.rfind(" ") + 1, self._at)

    def _cut(self, start: int, end: int) -> None:
        self._line = self._line[:start] + self._line[end:]
        self._at = start
        self._redraw()

    def _left(self) -> None:
        self._go_to(max(self._at - 1, 0))

    def _right(self) -> None:
        self._go_to(min(self._at + 1, len(self._line)))

    def _home(self) -> None:
        self._go_to(0)

    def _end(self) -> None:
        self._go_to(len(self._line))

    def _go_to(self, at: int) -> None:
        self._at = at
        self._redraw()

    def _older(self) -> None:
        if self._shown is None:
            self._draft = self._line
        self._recall(len(self._history) - 1 if self._shown is None else self._shown - 1)

    def _newer(self) -> None:
        if self._shown is not None:
            self._recall(self._shown + 1)

    def _recall(self, number: int) -> None:
        """A line of the history; the one after the last is what was typed before."""
        if number < 0:
            return
        newest = number == len(self._history)
        self._shown = None if newest else number
        self._line = self._draft if newest else self._history[number]
        self._end()

    def _complete(self) -> None:
        typed = self._line[: self._at]
        fitting = sorted(word for word in self._words() if word.startswith(typed))
        if not fitting:
            return
        more = _common(fitting[0], fitting[-1])[len(typed) :]
        if len(fitting) == 1:
            more += " "
        if more:
            self._insert(more)
        else:
            self._say("\n" + "  ".join(fitting) + "\n")
            self.show()

    def _redraw(self) -> None:
        """ECMA-48: EL erases to the end of the line, CUB moves to the left."""
        self._say(f"\r{self._prompt}{self._line}\x1b[K{self._back()}")

    def _back(self) -> str:
        behind = len(self._line) - self._at
        return f"\x1b[{behind}D" if behind else ""


def _common(one: str, other: str) -> str:
    """What both begin with. Of words in order, the first and the last speak for all."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return "".join(letter for letter, _ in pairs)
