"""NOR flash with nothing in it: erased, and every block of it locked.

Two 16-bit chips side by side, with Intel's extended command set (CFI primary vendor command set 1),
of the size and with the blocks of QEMU's. A command goes to both chips, and both answer. Whoever
programs or erases is told that the block is locked, so there are no contents to keep.
"""

from __future__ import annotations

import msgspec

from lockstep.machine.board import Window
from lockstep.machine.device import Device
from lockstep.machine.tree import Tree, cells

LANES = 2  # chips side by side
BANK_WIDTH = 4  # bytes, of both together

ARRAY, STATUS, IDENTIFIER, QUERY = 0xFF, 0x70, 0x90, 0x98
CLEAR_STATUS, CONFIRM = 0x50, 0xD0
PROGRAM, ERASE, LOCK = (0x10, 0x40), 0x20, 0x60
READY, ERASE_FAILED, PROGRAM_FAILED, LOCKED = 0x80, 0x20, 0x10, 0x02

MANUFACTURER, CHIP, BLOCK_LOCKED = 0x89, 0x18, 1
BLOCK = 128 << 10
EXTENDED_TABLE = 0x31


class PflashState(msgspec.Struct, frozen=True):
    """What reads give, the command that waits for its second cycle (or 0), the status register."""

    mode: int = ARRAY
    begun: int = 0
    status: int = READY


class EmptyPflash(Device):
    """One bank."""

    State = PflashState
    reserved_sizes = (1, 2, 4, 8)
    mode: int
    begun: int
    status: int

    def __init__(self, span: int) -> None:
        self.span = span
        self.query = _query_table(span // LANES)
        super().__init__()

    def read_elsewhere(self, offset: int, size: int) -> int:
        words = range(offset // BANK_WIDTH, (offset + size - 1) // BANK_WIDTH + 1)
        data = b"".join(self._word(each).to_bytes(2, "little") * LANES for each in words)
        start = offset % BANK_WIDTH
        return int.from_bytes(data[start : start + size], "little")

    def write_elsewhere(self, offset: int, size: int, value: int) -> None:
        command = value & 0xFF
        if self.begun:
            self._finish(command)
        elif command in (*PROGRAM, ERASE, LOCK):
            self.mode, self.begun = STATUS, command
        elif command == CLEAR_STATUS:
            self.status = READY
        elif command in (ARRAY, STATUS, IDENTIFIER, QUERY):
            self.mode = command

    def _finish(self, second: int) -> None:
        """The second cycle of a command. No block can be changed."""
        if self.begun in PROGRAM:
            self.status |= PROGRAM_FAILED | LOCKED
        elif self.begun == ERASE and second == CONFIRM:
            self.status |= ERASE_FAILED | LOCKED
        elif self.begun == ERASE:
            self.status |= ERASE_FAILED | PROGRAM_FAILED  # an improper sequence of commands
        self.begun = 0

    def _word(self, address: int) -> int:
        """What a chip answers at an address of its own, in words."""
        if self.mode == ARRAY:
            return 0xFFFF
        if self.mode == STATUS:
            return self.status
        if self.mode == IDENTIFIER:
            return (MANUFACTURER, CHIP, BLOCK_LOCKED)[address & 0xFF] if address & 0xFF < 3 else 0
        return self.query.get(address & 0xFF, 0)


def _query_table(size: int) -> dict[int, int]:
    """CFI's answers for a chip of `size` bytes (JEDEC JESD68.01), by address."""
    blocks = size // BLOCK
    bytes_at = {
        0x10: b"QRY",
        0x13: b"\x01\0" + bytes((EXTENDED_TABLE, 0)),
        0x1B: b"\x45\x55",  # Vcc from 4.5 to 5.5 V
        0x1F: b"\x07\0\x0a\0" + b"\x04\0\x04\0",  # times: typical, and how much longer at most
        0x27: bytes((size.bit_length() - 1,)),
        0x28: b"\x01\0" + b"\0\0",  # 16 bits wide; writes are not buffered
        0x2C: b"\x01" + (blocks - 1).to_bytes(2, "little") + (BLOCK // 256).to_bytes(2, "little"),
        EXTENDED_TABLE: b"PRI10",
    }
    return {at + i: byte for at, data in bytes_at.items() for i, byte in enumerate(data)}


def node(first: Window, second: Window) -> Tree:
    """Both banks in the device tree."""
    return {
        f"flash@{first.base:x}": {
            "compatible": "cfi-flash",
            "reg": cells(*first, *second),
            "bank-width": BANK_WIDTH,
        }
    }
