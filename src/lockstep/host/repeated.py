"""Output that may be sent again from its beginning, and comes out once."""

from collections.abc import Callable, Sequence

from lockstep.host.serial import Serial


class RepeatedOutput:
    """A far end of a serial port for several runs that send the same.

    What an earlier run has sent is left out. Each run begins with `begin`, and ends with `close`.
    """

    def __init__(self, reopen: Callable[[], Serial]) -> None:
        self._reopen = reopen
        self._far_end: Serial | None = None
        self._lost: OSError | None = None
        self._sent = 0
        self._position = 0

    def begin(self) -> None:
        """Begin another run, at the first byte."""
        self.close()
        self._far_end = self._reopen()
        self._position = 0

    def sources(self) -> Sequence[int]:
        """Those of the far end."""
        return () if self._far_end is None else self._far_end.sources()

    def receive(self, source: int) -> bytes:
        """What came there."""
        return b"" if self._far_end is None else self._far_end.receive(source)

    def can_receive(self) -> bool:
        """Whether anything may come there."""
        return self._far_end is not None and self._far_end.can_receive()

    def emit(self, data: bytes) -> None:
        """Send what was not sent before."""
        new = data[max(0, self._sent - self._position) :]
        self._position += len(data)
        if new and self._far_end is not None:
            self._far_end.emit(new)
            self._sent = self._position

    def congested(self) -> bool:
        """Whether the reader is far behind."""
        return self._far_end is not None and self._far_end.congested()

    def abandon(self) -> None:
        """Stop waiting for the reader, in this run."""
        if self._far_end is not None:
            self._far_end.abandon()

    def close(self) -> OSError | None:
        """End this run; why output of any run was lost, if it was."""
        if self._far_end is not None:
            self._lost = self._lost or self._far_end.close()
        return self._lost
