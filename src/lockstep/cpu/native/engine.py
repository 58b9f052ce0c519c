"""The native engine: calls into the compiled interpreter with Python's lock released."""

from __future__ import annotations

import ctypes

from lockstep.cpu.native.objects import Notify, load


class NativeEngine:
    """Runs the cluster at host address `cluster` (cpu/layout) by native code."""

    def __init__(self, cluster: int, notify: Notify) -> None:
        loaded = load(notify)
        kind = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)
        write = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64)
        self._cluster = ctypes.c_void_p(cluster)
        self._run = kind(loaded.address("lockstep_run"))
        self._flush = kind(loaded.address("lockstep_flush"))
        self._before_write = write(loaded.address("lockstep_before_write"))

    def run(self) -> int:
        """Run on; returns one of cpu/schedule's DONE, IDLE, STOPPED, MMIO."""
        return int(self._run(self._cluster))

    def flush(self) -> None:
        """Forget every cached translation (write permissions with them)."""
        self._flush(self._cluster)

    def before_write(self, paddr: int, size: int) -> None:
        """The host is about to write main memory: drop what was decoded or cached from it."""
        self._before_write(self._cluster, paddr, size)
