"""Where a serial port can lead."""

import os
import select
import socket
import time

import pytest

from lockstep.errors import UsageError
from lockstep.host.serial import FdSerial, NullSerial, open_serial


def hear(back_end, size, patience=5.0):
    """What comes in, until there is enough of it."""
    heard, deadline = b"", time.monotonic() + patience
    while len(heard) < size and time.monotonic() < deadline:
        for source in select.select(back_end.sources(), [], [], 0.1)[0]:
            heard += back_end.receive(source)
    return heard


def read_exactly(read, size):
    data = b""
    while len(data) < size:
        data += read(size - len(data))
    return data


def test_null_hears_nothing_and_never_will():
    """Nothing to poll."""
    back_end = open_serial("null", print)
    assert isinstance(back_end, NullSerial)
    assert not back_end.can_receive()
    back_end.emit(b"gone")
    back_end.close()


def test_a_file_gets_every_byte_in_order(tmp_path):
    """Also what was written just before the end."""
    back_end = open_serial(f"file:{tmp_path}/out", print)
    for byte in range(256):
        back_end.emit(bytes([byte]) * 100)
    back_end.close()
    back_end.close()
    assert (tmp_path / "out").read_bytes() == b"".join(bytes([b]) * 100 for b in range(256))
    assert not back_end.can_receive()


def test_a_pipe_is_heard_until_it_ends():
    """After the end of input there can be no more."""
    inside, outside = os.pipe()
    sink = os.open(os.devnull, os.O_WRONLY)
    back_end = FdSerial("test", inside, sink)
    os.write(outside, b"keys")
    assert hear(back_end, 4) == b"keys"
    assert back_end.can_receive()
    os.close(outside)
    assert hear(back_end, 1, patience=0.2) == b""
    assert not back_end.can_receive()
    assert back_end.sources() == ()
    back_end.close()


def test_a_pty_is_named_and_carries_both_ways():
    """Raw: what goes in comes out, byte for byte."""
    said = []
    back_end = open_serial("pty", said.append)
    terminal = os.open(said[0].split()[-1], os.O_RDWR | os.O_NOCTTY)
    back_end.emit(b"out\n")
    assert read_exactly(lambda n: os.read(terminal, n), 4) == b"out\n"
    os.write(terminal, b"in\r\x03")
    assert hear(back_end, 4) == b"in\r\x03"
    back_end.close()
    os.close(terminal)


def test_a_pty_nobody_reads_does_not_hold_the_machine_up():
    """More than any buffer takes; the rest is lost."""
    back_end = open_serial("pty", lambda text: None)
    for _ in range(100):
        back_end.emit(b"x" * 65536)
    back_end.close()


def connect(address):
    kind, _, where = address.split()[-1].partition(":")
    if kind == "unix":
        peer = socket.socket(socket.AF_UNIX)
        peer.connect(where)
        return peer
    host, _, port = where.rpartition(":")
    return socket.create_connection((host, int(port)))


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_a_socket_carries_both_ways_and_takes_a_new_peer_when_one_hangs_up(tmp_path, kind):
    """Output from before the first connection is kept for it."""
    said = []
    spec = "tcp:127.0.0.1:0" if kind == "tcp" else f"unix:{tmp_path}/s"
    back_end = open_serial(spec, said.append)
    back_end.emit(b"early ")
    for text in (b"one", b"two"):
        peer = connect(said[0])
        peer.sendall(text)
        assert hear(back_end, 3) == text
        back_end.emit(text)
        expected = b"early " + text if text == b"one" else text
        assert read_exactly(peer.recv, len(expected)) == expected
        peer.close()
        assert hear(back_end, 1, patience=0.3) == b""
    assert back_end.can_receive()
    back_end.close()
    assert list(tmp_path.iterdir()) == []


def test_a_second_peer_is_turned_away():
    """One connection at a time."""
    said = []
    back_end = open_serial("tcp:127.0.0.1:0", said.append)
    first = connect(said[0])
    assert hear(back_end, 1, patience=0.2) == b""
    second = connect(said[0])
    assert hear(back_end, 1, patience=0.2) == b""
    assert second.recv(1) == b""
    first.sendall(b"still here")
    assert hear(back_end, 10) == b"still here"
    first.close()
    second.close()
    back_end.close()


def test_a_stale_unix_socket_is_replaced_but_not_a_file(tmp_path):
    """A killed process leaves its socket behind."""
    path = str(tmp_path / "s")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    open_serial(f"unix:{path}", lambda text: None).close()
    (tmp_path / "s").write_text("mine")
    with pytest.raises(UsageError, match="cannot listen"):
        open_serial(f"unix:{path}", print)
    assert (tmp_path / "s").read_text() == "mine"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("carrier-pigeon", "not understood"),
        ("file:", "not understood"),
        ("null:x", "not understood"),
        ("tcp:4444", "not understood"),
        ("tcp:localhost:http", "not understood"),
        ("tcp:127.0.0.1:99999", "cannot listen"),
        ("tcp:0.0.0.0:4444", "let the network in"),
        ("tcp:192.168.1.1:4444", "let the network in"),
        ("file:/nonexistent/directory/f", "cannot be written"),
        ("unix:/nonexistent/directory/s", "cannot listen"),
    ],
)
def test_what_cannot_be_opened_is_said(spec, words):
    """And the network is never let in."""
    with pytest.raises(UsageError, match=words):
        open_serial(spec, print)
