"""A line is edited as in a shell, whatever bytes come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.session.lineeditor import LONGEST, LineEditor


class Typed:
    """A line editor, what it showed, and the lines that were entered."""

    def __init__(self):
        self.shown = ""
        self.lines = []
        words = ("info", "system_powerdown", "system_reset")
        self.editor = LineEditor("> ", self._say, self.lines.append, lambda: words)

    def _say(self, text):
        self.shown += text

    def type(self, keys):
        self.editor.type(keys)
        return self.lines


@pytest.mark.parametrize(
    ("keys", "lines"),
    [
        (b"abc\r", ["abc"]),
        (b"ac\x1b[Db\r", ["abc"]),
        (b"ac\x1bODb\x1b[C!\r", ["abc!"]),
        (b"bc\x1b[Ha\x1b[Fd\r", ["abcd"]),
        (b"abxc\x1b[D\x7f\r", ["abc"]),
        (b"xabc\x1b[1~\x1b[3~\r", ["abc"]),
        (b"one two \x17three\r", ["one three"]),
        (b"one two\x1b[H\x0b2\r", ["2"]),
        (b"one\x15two\r", ["two"]),
        (b"gone\x03kept\r", ["kept"]),
        (b"a\rb\r\x1b[A\x1b[A\r", ["a", "b", "a"]),
        (b"a\rdraft\x1b[A\x1b[B\r", ["a", "draft"]),
        (b"a\ra\r\x1b[A\x1b[A\r", ["a", "a", "a"]),
        (b"inf\t\r", ["info "]),
        (b"s\t\r", ["system_"]),
        (b"x\t\r", ["x"]),
        (b"\x1b[200;1R\x1b[9zok\x1b\x1b[A\r", ["ok"]),
        (b"a\x00\xffb\r", ["ab"]),
    ],
)
def test_keys(keys, lines):
    """Arrows, Home, End, erasing, history, completion; sequences nobody knows are nothing."""
    assert Typed().type(keys) == lines


def test_completions_are_shown_when_there_are_several():
    """And the line after them."""
    typed = Typed()
    typed.type(b"system_\t")
    assert typed.shown.endswith("\nsystem_powerdown  system_reset\n> system_")


def test_a_line_has_an_end():
    """A paste is not kept for ever."""
    (line,) = Typed().type(b"x" * (2 * LONGEST) + b"\r")
    assert len(line) == LONGEST


@given(st.binary(max_size=200))
def test_no_bytes_do_harm(keys):
    """What is shown of them is our own; and the editor goes on."""
    typed = Typed()
    typed.type(keys)
    typed.type(b"\x03ok\r")
    assert typed.lines[-1] == "ok"
    assert all(letter in "\r\n\x1b" or letter.isprintable() for letter in typed.shown)
