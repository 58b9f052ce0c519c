"""The native engine: calls into compiled code with Python's lock released."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Final, Protocol

from lockstep.cpu.hostmemory import host_address
from lockstep.cpu.memory import Ram
from lockstep.cpu.native.objects import Aide, Interpreter, load
from lockstep.cpu.native.regions.foundry import AtOnce
from lockstep.cpu.native.regions.service import Foundry, Geometric, Regions, Thresholds
from lockstep.cpu.pagehash import PageHashes
from lockstep.cpu.state import ClusterBlock
from lockstep.places.trust import Notify

SLICE: Final = 20_000
"""Most instructions between two looks for a stop request, and between two samples of what is hot:
some ten microseconds. A region ends with its slice, and regions are what is fast."""

_LEFT: Final = ("left_short", "left_hard", "left_near", "left_page", "left_computed")


class RegionSupply(Protocol):
    """Where regions come from, and when they are asked for."""

    thresholds: Thresholds
    aide: Aide | None
    """A compiler in another process, while there is no interpreter yet."""

    def foundry(self, interpreter: Interpreter, ready: Callable[[], None]) -> Foundry:
        """Who makes them. `ready` is to be called, from any thread, when there is news."""


class NativeEngine:
    """Runs the harts of a block by native code: the threaded interpreter."""

    def __init__(self, block: ClusterBlock, notify: Notify, aide: Aide | None = None) -> None:
        self.interpreter = load(notify, aide)
        block.slice = SLICE
        self._cluster = ctypes.c_void_p(block.address)
        self._run = self._export("lockstep_run", 0)
        self._flush = self._export("lockstep_flush", 0)
        self._before_write = self._export("lockstep_before_write", 2)
        self._rehash = self._export("lockstep_rehash", 4)

    def _export(self, name: str, arguments: int) -> ctypes._CFunctionType:
        words = [ctypes.c_uint64] * arguments
        kind = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, *words)
        return kind(self.interpreter.exports[name])

    def run(self) -> int:
        """Run on; returns one of cpu/schedule's DONE, IDLE, STOPPED, MMIO, ATTENTION."""
        return int(self._run(self._cluster))

    def attend(self) -> None:
        """The interpreter alone asks for nothing."""

    def stats(self) -> dict[str, int]:
        """Nor does it count."""
        return {}

    def flush(self) -> None:
        """Forget every cached translation (write permissions with them)."""
        self._flush(self._cluster)

    def before_write(self, paddr: int, size: int) -> None:
        """The host is about to write main memory: drop what was decoded or cached from it."""
        self._before_write(self._cluster, paddr, size)

    def rehash(self, ram: Ram, hashes: PageHashes) -> None:
        """Bring the hashes of dirty pages up to date."""
        sums, *where = map(host_address, (hashes.sums, hashes.hashes, ram.memory, ram.flags))
        self._rehash(ctypes.c_void_p(sums), *where, hashes.pages)


class RegionEngine(NativeEngine):
    """The threaded interpreter, and regions for what is hot."""

    def __init__(
        self, block: ClusterBlock, ram: Ram, notify: Notify, supply: RegionSupply | None
    ) -> None:
        supply = supply or _AtOnceSupply()
        super().__init__(block, notify, supply.aide)
        self._block = block
        install = self._export("lockstep_install_region", 3)

        def install_at(paddr: int, code: int, lines: int) -> None:
            install(self._cluster, paddr, code, lines)

        def ready() -> None:
            block.attention = 1

        foundry = supply.foundry(self.interpreter, ready)
        self.regions = Regions(block, ram, foundry, install_at, supply.thresholds)

    def attend(self) -> None:
        """Order regions, or put them in place."""
        self.regions.attend()

    def stats(self) -> dict[str, int]:
        """What regions did, why they were left, and how many pages they are for."""
        harts = self._block.members
        counted = {f"regions_{name}": sum(getattr(h, name) for h in harts) for name in _LEFT}
        done = sum(hart.in_regions for hart in harts)
        return {"instructions_in_regions": done, **counted, **self.regions.stats()}


class _AtOnceSupply:
    """Regions compiled by this process while the guest waits."""

    thresholds: Thresholds = Geometric()
    aide: Aide | None = None

    def foundry(self, interpreter: Interpreter, ready: Callable[[], None]) -> Foundry:
        from lockstep.cpu.native.regions.compiler import compile_regions

        return AtOnce(interpreter, compile_regions)
