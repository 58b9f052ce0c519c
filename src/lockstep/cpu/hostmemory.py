"""Memory of the host at addresses that native code knows, too."""

from __future__ import annotations

import ctypes
import mmap
from typing import Final

# asm-generic/mman-common.h; Python 3.13 is the first to name it.
_MAP_NORESERVE: Final = 0x4000


def anonymous(size: int, *, reserve: bool = True) -> mmap.mmap:
    """Zeroed memory. Without `reserve` it may exceed what the host has: little will be touched."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    return mmap.mmap(-1, size, flags=flags if reserve else flags | _MAP_NORESERVE)


def host_address(memory: mmap.mmap) -> int:
    """Where it is in this process, for native code. Keep `memory` alive meanwhile."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
