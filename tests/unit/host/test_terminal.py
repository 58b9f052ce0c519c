"""Escape keys, and a terminal that is always put back."""

import os
import subprocess
import sys
import termios

import pytest

from lockstep.host.terminal import EscapeFilter, Keys, key_name, single_keys


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        (b"ls\r", [Keys(b"ls\r", None)]),
        (b"\x01x", [Keys(b"", "x")]),
        (b"ab\x01ccd", [Keys(b"ab", "c"), Keys(b"cd", None)]),
        (b"\x01\x01", [Keys(b"\x01", None)]),
        (b"\x01\x03", [Keys(b"", "\x03")]),
        (b"a\x03b", [Keys(b"a\x03b", None)]),
        (b"\x01\x01\x03", [Keys(b"\x01\x03", None)]),
        (b"\x01z", [Keys(b"", "z")]),
        (b"", []),
    ],
)
def test_escape_keys(typed, parts):
    """Ctrl-A and a key is for us, known or not; the rest, Ctrl-C included, for the guest."""
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


@pytest.mark.parametrize(
    ("key", "name"), [("z", "z"), ("\x03", "Ctrl-C"), ("\x1b", "Ctrl-["), ("\x7f", "key 0x7f")]
)
def test_keys_have_names(key, name):
    """No key is shown as it is that would do something to the terminal."""
    assert key_name(key) == name
