"""A boot ROM: bytes the guest can read at any size and cannot change."""

from __future__ import annotations

import msgspec

from lockstep.machine.device import Device


class RomState(msgspec.Struct, frozen=True):
    """Nothing: its contents are the configuration's."""


class Rom(Device):
    """`contents` from offset 0, zeros after it."""

    State = RomState
    span = 0xF000
    reserved_sizes = (1, 2, 4, 8)

    def __init__(self) -> None:
        self.contents = b""
        super().__init__()

    def read_elsewhere(self, offset: int, size: int) -> int:
        return int.from_bytes(self.contents[offset : offset + size], "little")
