"""The host-target interface: how programs for Spike print and end, by two words of main memory.

There is no specification but what Spike's front-end server does. A command is a store to `tohost`:
device in bits 63..56, command in 55..48, payload below. It is carried out at the boundary after
that store, and `tohost` is zero then. Of the devices there are 0, system calls, with exit and
write, and 1, the console, with what is sent to it; the others do not answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from lockstep.det.world import Outlet
from lockstep.machine.device import Device, VirtualClock

SYSTEM_CALL: Final = 0, 0
CONSOLE_WRITE: Final = 1, 1
_PAYLOAD: Final = (1 << 48) - 1

SYS_WRITE, SYS_EXIT = 64, 93
_NO_SUCH_CALL: Final = -38  # ENOSYS
_STREAMS: Final = (1, 2)
_MOST_WRITTEN: Final = 1 << 16
"""Bytes of one write; more is a short write."""

_ZERO: Final = bytes(8)
_DONE: Final = (1).to_bytes(8, "little")


class GuestMemory(Protocol):
    """Main memory, between two instructions."""

    base: int
    size: int

    def read(self, addr: int, size: int) -> bytes: ...
    def write(self, addr: int, data: bytes) -> None: ...


class HtifState(msgspec.Struct, frozen=True):
    """All else is in main memory."""

    deadline_ns: int | None = None


class Htif(Device):
    """`tohost` and `fromhost` at those addresses. `finish` is told the code that a guest ends with.

    A store to the lower half alone may be one of two: it has effect `patience_ns` later, unless the
    upper half is stored to before.
    """

    State = HtifState
    span = 0

    def __init__(
        self,
        memory: GuestMemory,
        places: tuple[int, int],
        outlet: Outlet,
        finish: Callable[[int], None],
        now_ns: VirtualClock,
        deadline_moved: Callable[[], None],
        patience_ns: int,
    ) -> None:
        self._memory = memory
        self._tohost, self._fromhost = places
        self._outlet = outlet
        self._finish = finish
        self._now_ns = now_ns
        self._deadline_moved = deadline_moved
        self._patience_ns = patience_ns
        super().__init__()

    def stored(self, addr: int, size: int) -> None:
        """The guest is about to store to `size` bytes at `addr`, some of them of `tohost`."""
        whole = addr + size > self._tohost + 4
        self.deadline_ns = self._now_ns() + (0 if whole else self._patience_ns)
        self._deadline_moved()

    def run_timers(self, now_ns: int) -> None:
        self.deadline_ns = None
        command = int.from_bytes(self._memory.read(self._tohost, 8), "little")
        if command:
            self._memory.write(self._tohost, _ZERO)
            self._carry_out((command >> 56, command >> 48 & 0xFF), command & _PAYLOAD)

    def _carry_out(self, command: tuple[int, int], payload: int) -> None:
        if command == CONSOLE_WRITE:
            self._outlet.emit(bytes([payload & 0xFF]))
        elif command == SYSTEM_CALL and payload & 1:
            self._finish(payload >> 1)
        elif command == SYSTEM_CALL and self._holds(payload, 64):
            self._call(payload)

    def _call(self, block: int) -> None:
        """A system call whose number and arguments are at `block`, where its result goes."""
        words = self._memory.read(block, 64)
        number, a0, a1, a2 = (int.from_bytes(words[i : i + 8], "little") for i in range(0, 32, 8))
        if number == SYS_EXIT:
            self._finish(a0 & 0xFFFF_FFFF)
            return
        result = _NO_SUCH_CALL
        length = min(a2, _MOST_WRITTEN)
        if number == SYS_WRITE and a0 in _STREAMS and self._holds(a1, length):
            if length:
                self._outlet.emit(self._memory.read(a1, length))
            result = length
        self._memory.write(block, result.to_bytes(8, "little", signed=True))
        self._memory.write(self._fromhost, _DONE)

    def _holds(self, addr: int, size: int) -> bool:
        """Whether that is all main memory."""
        start = addr - self._memory.base
        return 0 <= start <= self._memory.size - size
