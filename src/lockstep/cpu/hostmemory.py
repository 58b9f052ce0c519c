"""Memory of the host at addresses that native code knows, too."""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import Final

# asm-generic/mman-common.h; Python 3.13 is the first to name it.
_MAP_NORESERVE: Final = 0x4000

_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def anonymous(size: int, *, reserve: bool = True) -> mmap.mmap:
    """Zeroed memory. Without `reserve` it may exceed what the host has: little will be touched."""
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    return mmap.mmap(-1, size, flags=flags if reserve else flags | _MAP_NORESERVE)


def check_executable() -> None:
    """Raise OSError if the host lets nobody run code that was made here, or has no memory for it.

    LLVM does not return from that: an assertion of its own ends the process.
    """
    with anonymous(mmap.PAGESIZE) as memory:
        byte = ctypes.c_char.from_buffer(memory)
        done = _libc.mprotect(
            ctypes.addressof(byte), mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC
        )
        del byte  # or the memory could not be given back
    if done:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def host_address(memory: mmap.mmap) -> int:
    """Where it is in this process, for native code. Keep `memory` alive meanwhile."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
