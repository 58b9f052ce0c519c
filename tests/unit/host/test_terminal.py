"""Escape keys, and a terminal that is always put back."""

import os
import subprocess
import sys
import termios

import pytest

from lockstep.host.terminal import EscapeFilter, Keys, single_keys


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        (b"ls\r", [Keys(b"ls\r", None)]),
        (b"\x01x", [Keys(b"", "x")]),
        (b"ab\x01ccd", [Keys(b"ab", "c"), Keys(b"cd", None)]),
        (b"\x01\x01", [Keys(b"\x01", None)]),
        (b"\x01\x03", [Keys(b"\x03", None)]),
        (b"a\x03b", [Keys(b"a", "\x03"), Keys(b"b", None)]),
        (b"\x01\x01\x03", [Keys(b"\x01", "\x03")]),
        (b"\x01z", []),
        (b"", []),
    ],
)
def test_escape_keys(typed, parts):
    """Ctrl-A and a letter, or Ctrl-C, is for us, the rest for the guest; an unknown letter is
    nobody's."""
    assert EscapeFilter().feed(typed) == parts


def test_an_escape_may_come_in_two_pieces():
    """Keys are read as they come."""
    keys = EscapeFilter()
    assert keys.feed(b"a\x01") == [Keys(b"a", None)]
    assert keys.feed(b"x") == [Keys(b"", "x")]


def test_a_terminal_is_put_back():
    """Single keys come through at once, and none makes a signal; afterwards all is as before."""
    master, slave = os.openpty()
    before = termios.tcgetattr(slave)
    put_back = single_keys(slave)
    during = termios.tcgetattr(slave)
    assert not during[3] & (termios.ICANON | termios.ECHO | termios.ISIG)
    put_back()
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)


def test_a_terminal_is_put_back_even_when_nobody_does():
    """The process ends by an exception."""
    master, slave = os.openpty()
    before = termios.tcgetattr(slave)
    code = "from lockstep.host.terminal import single_keys; single_keys(0); raise SystemExit(3)"
    done = subprocess.run([sys.executable, "-c", code], stdin=slave, check=False)
    assert done.returncode == 3
    assert termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)
