"""A serial port behind a listening socket: TCP on the loopback interface, or a Unix path."""

import contextlib
import ipaddress
import os
import socket
import stat
import threading
from collections.abc import Callable, Sequence
from typing import Final

from lockstep.errors import UsageError, blame
from lockstep.host.output import OutputPump

CHUNK: Final = 4096
KEPT: Final = 1 << 16
"""Output kept for the first one to connect."""


class Listener:
    """A listening socket, with what to say about it and what to remove afterwards."""

    def __init__(self, sock: socket.socket, address: str, path: str | None = None) -> None:
        self.sock = sock
        self.address = address
        self._path = path

    def close(self) -> None:
        """Stop listening."""
        self.sock.close()
        if self._path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path)


def listen_tcp(where: str) -> Listener:
    """Listen on HOST:PORT, which has to be a loopback address. Port 0 takes a free one."""
    host, colon, port = where.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
        number = int(port if colon else "")
    except ValueError:
        raise UsageError(
            f"--serial tcp:{where} is not understood", remedy="write tcp:127.0.0.1:4444"
        ) from None
    if not address.is_loopback:
        raise UsageError(
            f"--serial tcp:{where} would let the network in",
            remedy="listen on 127.0.0.1 and forward the port, for example with ssh -L",
        )
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _bind(sock, (str(address), number), f"--serial tcp:{where}")
    return Listener(sock, "tcp:{}:{}".format(*sock.getsockname()[:2]))


def listen_unix(path: str) -> Listener:
    """Listen on a path in the file system, which only its owner may connect to."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    _remove_stale(path)
    before = os.umask(0o177)
    try:
        _bind(sock, path, f"--serial unix:{path}")
    finally:
        os.umask(before)
    return Listener(sock, f"unix:{path}", path)


def _bind(sock: socket.socket, address: tuple[str, int] | str, option: str) -> None:
    try:
        sock.bind(address)
        sock.listen(1)
    except (OSError, OverflowError) as error:
        sock.close()
        raise blame(error, UsageError)(
            f"{option}: cannot listen there: {error}",
            remedy="choose a free port, or a path in a directory that is there and yours",
        ) from None


def _remove_stale(path: str) -> None:
    """Remove a socket nobody listens on any more, which a killed process left."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        if stat.S_ISSOCK(os.stat(path).st_mode):
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)


class SocketSerial:
    """One connection at a time. Output from before the first one is kept for it, up to a limit."""

    def __init__(self, listener: Listener, notify: Callable[[str], None]) -> None:
        self._listener = listener
        self._peer: socket.socket | None = None
        self._changed = threading.Lock()
        self._kept: bytearray | None = bytearray()  # guarded by _changed; None once connected
        self._pump = OutputPump(listener.address, self._send)
        notify(f"the serial port listens on {listener.address}")

    def sources(self) -> Sequence[int]:
        """The listening socket and the connection."""
        peer = self._peer
        return (self._listener.sock.fileno(), *(() if peer is None else (peer.fileno(),)))

    def receive(self, source: int) -> bytes:
        """Input from the connection; or a new connection, which is none."""
        if source == self._listener.sock.fileno():
            self._accept()
            return b""
        peer = self._peer
        if peer is None or peer.fileno() != source:
            return b""
        try:
            data = peer.recv(CHUNK)
        except OSError:
            data = b""
        if not data:
            self._hang_up(peer)
        return data

    def can_receive(self) -> bool:
        """Someone may connect at any time."""
        return True

    def emit(self, data: bytes) -> None:
        """Queue for the connection."""
        self._pump.put(data)

    def congested(self) -> bool:
        """While the other side is behind."""
        return self._pump.congested

    def abandon(self) -> None:
        """Throw away what the other side does not take."""
        self._pump.abandon()
        with self._changed:
            if self._peer is not None:
                with contextlib.suppress(OSError):
                    self._peer.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Send the rest, hang up and stop listening."""
        self._pump.close()
        if self._peer is not None:
            self._hang_up(self._peer)
        self._listener.close()

    def _accept(self) -> None:
        peer, _ = self._listener.sock.accept()
        if self._peer is not None:
            peer.close()
            return
        with self._changed:
            backlog, self._kept = self._kept, None
            if backlog:  # less than a socket's buffer holds, so this does not wait
                self._transmit(peer, bytes(backlog))
            self._peer = peer

    def _send(self, data: bytes) -> None:
        with self._changed:
            peer = self._peer
            if peer is None:
                if self._kept is not None:
                    self._kept = (self._kept + data)[-KEPT:]
                return
        self._transmit(peer, data)

    def _transmit(self, peer: socket.socket, data: bytes) -> None:
        try:
            peer.sendall(data)
        except OSError:  # it hung up; the main loop learns the same from its side
            return

    def _hang_up(self, peer: socket.socket) -> None:
        with self._changed:
            self._peer = None
        with contextlib.suppress(OSError):
            peer.close()
