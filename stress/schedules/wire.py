"""The far end of the serial port on a stage: input by script, and a reader who may be slow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lockstep.host.output import OutputPump
from stress.schedules.place import Place

FD: Final = 1_000_000
_CHUNK: Final = 5


class Broken(Exception):
    """A fault that was planted."""


class Wire:
    """A `lockstep.host.serial.Serial`."""

    def __init__(self, stage: Place) -> None:
        self.stage = stage
        self.input = bytearray()
        self.output = bytearray()
        self.open = True
        self.delay_ns = 0
        self.stuck = False
        """Whether the reader has stopped reading."""
        self.breaks_in: int | None = None
        """After so many characters, the port breaks."""
        self.pump = OutputPump("wire", self._write)

    def ready(self, fd: int) -> bool:
        """Whether `receive` has something."""
        return bool(self.input) or not self.open

    def sources(self) -> Sequence[int]:
        return (FD,) if self.open else ()

    def receive(self, source: int) -> bytes:
        data = bytes(self.input[:_CHUNK])
        del self.input[:_CHUNK]
        return data

    def can_receive(self) -> bool:
        return self.open

    def emit(self, data: bytes) -> None:
        if self.breaks_in is not None:
            self.breaks_in -= len(data)
            if self.breaks_in < 0:
                raise Broken("the serial port")
        self.pump.put(data)

    def congested(self) -> bool:
        return self.pump.congested

    def abandon(self) -> None:
        self.pump.abandon()

    def close(self) -> None:
        self.pump.close()

    def _write(self, data: bytes) -> None:
        if self.delay_ns:
            self.stage.sleep(self.delay_ns)
        if self.stuck:
            self.stage.block("reads nothing", lambda: not self.stuck)
        self.output += data
