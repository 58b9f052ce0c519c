"""Where a serial port can lead: stdio, null, pty, file:F, tcp:HOST:PORT, unix:PATH.

Every back end does its writing through an `OutputPump`, so the machine does not wait for it, and
names the file descriptors on which input may come, for the main loop to poll.
"""

import contextlib
import os
import stat
import tty
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from lockstep.errors import HostFailure, UsageError, blame
from lockstep.host.messages import write_console
from lockstep.host.output import OutputPump, write_all
from lockstep.host.samefile import NOTHING, Spared, refuse, refuse_streams
from lockstep.host.sockets import SocketSerial, listen_tcp, listen_unix

KINDS: Final = "stdio, null, pty, file:F, tcp:HOST:PORT, unix:PATH"
CHUNK: Final = 4096

Notify = Callable[[str], None]
"""Tells the user something, such as the name of a pty."""


class Serial(Protocol):
    """The far end of a serial port."""

    def sources(self) -> Sequence[int]:
        """File descriptors on which something may come, as of now."""

    def receive(self, source: int) -> bytes:
        """What came on a source that is ready; may be nothing."""

    def can_receive(self) -> bool:
        """Whether input may still come, today or tomorrow."""

    def emit(self, data: bytes) -> None:
        """Send what the guest sent. Does not wait."""

    def congested(self) -> bool:
        """Whether the reader is so far behind that the guest should wait. Any thread may ask."""

    def abandon(self) -> None:
        """Stop waiting for a reader who does not read. Any thread may call it."""

    def close(self) -> OSError | None:
        """Send the rest and let go; why output was lost, if it was. May be called again."""


class NullSerial:
    """Swallows everything and says nothing."""

    def sources(self) -> Sequence[int]:
        """None."""
        return ()

    def receive(self, source: int) -> bytes:
        """Nothing ever comes."""
        return b""

    def can_receive(self) -> bool:
        """Never."""
        return False

    def emit(self, data: bytes) -> None:
        """Gone."""

    def congested(self) -> bool:
        """Never."""
        return False

    def abandon(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""


class FdSerial:
    """Two file descriptors: one to read (or none) and one to write."""

    def __init__(
        self,
        name: str,
        reader: int | None,
        writer: int,
        owned: tuple[int, ...] = (),
        write: Callable[[int, bytes], None] = write_all,
    ) -> None:
        self._reader = reader
        self._owned = owned
        self._pump = OutputPump(name, lambda data: write(writer, data))

    def sources(self) -> Sequence[int]:
        """The reader, until it has ended."""
        return () if self._reader is None else (self._reader,)

    def receive(self, source: int) -> bytes:
        """What there is to read; nothing for good once that has ended."""
        try:
            data = os.read(source, CHUNK)
        except OSError:
            data = b""
        if not data:
            self._reader = None
        return data

    def can_receive(self) -> bool:
        """Until the reader has ended."""
        return self._reader is not None

    def emit(self, data: bytes) -> None:
        """Queue for the writer."""
        self._pump.put(data)

    def congested(self) -> bool:
        """While the writer is behind."""
        return self._pump.congested

    def abandon(self) -> None:
        """Throw away what the writer does not take."""
        self._pump.abandon()

    def close(self) -> OSError | None:
        """Write the rest, and close what was opened for this. Again: nothing."""
        self._pump.close()
        owned, self._owned = self._owned, ()
        for fd in owned:
            os.close(fd)
        return self._pump.lost


class FileSerial(FdSerial):
    """Output into a file, in place of what it holds; no input."""

    def __init__(self, path: str, spared: Spared) -> None:
        option = f"--serial file:{path}"
        refuse(path, spared, option)
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                refuse(fd, spared, option)  # the name may stand for another file by now
                if stat.S_ISREG(os.fstat(fd).st_mode):
                    os.ftruncate(fd, 0)
            except BaseException:
                os.close(fd)
                raise
        except OSError as error:
            raise blame(error, UsageError)(
                f"the serial output file {path} cannot be written: {error.strerror}",
                remedy="check the directory, its permissions and the free space",
            ) from None
        super().__init__("file", None, fd, owned=(fd,))


class PtySerial(FdSerial):
    """A new pseudo-terminal, for `screen` or `picocom`. With nobody there, old output is lost."""

    def __init__(self, notify: Notify) -> None:
        master, slave = os.openpty()
        # The slave stays open here, or reading would fail while no program has it open.
        tty.setraw(slave)
        os.set_blocking(master, False)
        super().__init__("pty", master, master, (slave, master), _write_what_fits)
        notify(f"the serial port is {os.ttyname(slave)}")


def open_serial(spec: str, notify: Notify, spared: Spared = NOTHING) -> Serial:
    """The back end a `--serial` option asks for. Raises UsageError, also before it would write over
    a file that is to be spared."""
    kind, _, rest = spec.partition(":")
    match kind, bool(rest):
        case "stdio", False:
            refuse_streams(spared)
            return FdSerial("stdio", _readable(0), 1, write=write_console)
        case "null", False:
            return NullSerial()
        case "pty", False:
            return PtySerial(notify)
        case "file", True:
            return FileSerial(rest, spared)
        case "tcp", True:
            return SocketSerial(listen_tcp(rest), notify)
        case "unix", True:
            refuse(rest, spared, f"--serial {spec}")
            return SocketSerial(listen_unix(rest), notify)
    raise UsageError(f"--serial {spec} is not understood", remedy=f"one of: {KINDS}")


def check_written(far_end: Serial, remedy: str) -> None:
    """Close it, and raise HostFailure if output was lost."""
    error = far_end.close()
    if error is not None:
        raise HostFailure(
            f"the guest's output was not all written: {error.strerror}", remedy=remedy
        ) from error


def output_only() -> Serial:
    """Standard output and no input: the console of a replay."""
    return FdSerial("stdio", None, 1, write=write_console)


def _readable(fd: int) -> int | None:
    """`fd`, unless it is closed, or a terminal whose foreground is another job's."""
    try:
        os.fstat(fd)
        foreign = os.isatty(fd) and os.tcgetpgrp(fd) != os.getpgrp()
    except OSError:
        return None
    return None if foreign else fd


def _write_what_fits(fd: int, data: bytes) -> None:
    """A pty nobody reads is full at some point: what does not fit is lost."""
    rest = memoryview(data)
    with contextlib.suppress(BlockingIOError):
        while rest:
            rest = rest[os.write(fd, rest) :]
