"""A guest that prints noise without end, so that nothing compresses its output."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

_CODE: Final = (
    0x100002B7,  # lui t0, 0x10000        the serial port
    0x00100313,  # li t1, 1
    0x00D31393,  # slli t2, t1, 13        xorshift64
    0x00734333,  # xor t1, t1, t2
    0x00735393,  # srli t2, t1, 7
    0x00734333,  # xor t1, t1, t2
    0x01131393,  # slli t2, t1, 17
    0x00734333,  # xor t1, t1, t2
    0x00628023,  # sb t1, (t0)
    0xFE5FF06F,  # j -28
)


def noise(directory: Path) -> dict[str, object]:
    """The machine that runs it."""
    path = directory / "noise.bin"
    path.write_bytes(struct.pack(f"<{len(_CODE)}I", *_CODE))
    return {"kernel": str(path), "bios": "none", "memory": 16 << 20}
