"""Memory access off the fast path: translation, protection, devices. One source for every engine.

The engine's vocabulary beyond isa/sem: `ram_load`, `ram_store`, `remember` (cache a translation),
`leave` (give up this attempt of the instruction; it runs again once the device has answered).
"""

from __future__ import annotations

from lockstep.cpu.layout import (
    MMIO_DONE,
    MMIO_FAULTED,
    MMIO_LOAD,
    MMIO_NONE,
    MMIO_PROBE,
    MMIO_REQUESTED,
    MMIO_STORE,
    MMIO_WATCHED,
    PAGE,
)
from lockstep.cpu.vocabulary import EngineHart
from lockstep.isa.mmu import translate
from lockstep.isa.privileged import (
    LOAD,
    LOAD_ACCESS_FAULT,
    STORE,
    STORE_ACCESS_FAULT,
    STORE_MISALIGNED,
    Access,
)
from lockstep.isa.sem import outlined, sem
from lockstep.isa.values import Word


@sem
def in_ram(s: EngineHart, paddr: Word, size: int) -> bool:
    """Whether all of paddr .. paddr+size is main memory."""
    return paddr - s.ram_base < s.ram_size - (size - 1)


@outlined
def locate(s: EngineHart, addr: Word, size: Word | int, access: Access) -> Word:
    """The physical address of `addr`, or a trap. Caches the translation if it is the page's."""
    paddr, cause, cacheable = translate(s, addr, size, access)
    if cause != 0:
        s.trap(cause, addr)
    if in_ram(s, paddr, 1) and cacheable:
        s.remember(addr, paddr, access)
    return paddr


@outlined
def load_slow(s: EngineHart, addr: Word, size: int) -> Word:
    """A load that the fast path could not do."""
    if size > 1 and addr & (PAGE - 1) > PAGE - size:
        return _load_split(s, addr, size)
    return _load_physical(s, locate(s, addr, size, LOAD), addr, size)


@sem
def _load_physical(s: EngineHart, paddr: Word, addr: Word, size: int) -> Word:
    result = s.const(0)
    if in_ram(s, paddr, size):
        result = s.ram_load(paddr, size)
    else:
        result = _device_load(s, paddr, addr, size)
    return result


@outlined
def _load_split(s: EngineHart, addr: Word, size: int) -> Word:
    """A misaligned load over the end of a page: both pages must allow it."""
    second = (addr | (PAGE - 1)) + 1
    here = second - addr
    low = locate(s, addr, here, LOAD)
    high = locate(s, second, size - here, LOAD)
    if not (in_ram(s, low, 1) and in_ram(s, high, 1)):
        # Priv. 3.1.16: tval is "the portion of the access that caused the fault".
        s.trap(LOAD_ACCESS_FAULT, second if in_ram(s, low, 1) else addr)
    value = s.const(0)
    offset = s.const(0)
    while offset < size:
        at = low + offset if offset < here else high + (offset - here)
        value = value | s.ram_load(at, 1) << (offset << 3)
        offset = offset + 1
    return value


@outlined
def store_slow(s: EngineHart, addr: Word, size: int, value: Word) -> None:
    """A store that the fast path could not do."""
    if size > 1 and addr & (PAGE - 1) > PAGE - size:
        _store_split(s, addr, size, value)
        return
    paddr = locate(s, addr, size, STORE)
    if in_ram(s, paddr, size):
        if _is_watched(s, paddr, s.const(size)):
            _request(s, paddr, addr, size, MMIO_WATCHED, value)
        s.ram_store(paddr, size, value)
    else:
        _device_store(s, paddr, addr, size, value)


@outlined
def _store_split(s: EngineHart, addr: Word, size: int, value: Word) -> None:
    """A misaligned store over the end of a page: nothing is written unless both pages allow it."""
    second = (addr | (PAGE - 1)) + 1
    here = second - addr
    low = locate(s, addr, here, STORE)
    high = locate(s, second, size - here, STORE)
    if not (in_ram(s, low, 1) and in_ram(s, high, 1)):
        # Priv. 3.1.16: tval is "the portion of the access that caused the fault".
        s.trap(STORE_ACCESS_FAULT, second if in_ram(s, low, 1) else addr)
    if _is_watched(s, low, here) or _is_watched(s, high, size - here):
        _request(s, s.cluster.watched, addr, 8, MMIO_WATCHED, value)
    offset = s.const(0)
    while offset < size:
        at = low + offset if offset < here else high + (offset - here)
        s.ram_store(at, 1, value >> (offset << 3))
        offset = offset + 1


@sem
def _is_watched(s: EngineHart, paddr: Word, size: Word) -> bool:
    """Whether some of paddr .. paddr+size is of the 8 bytes that are watched."""
    return paddr + size - 1 - s.cluster.watched < size + 7


@outlined
def load_amo_slow(s: EngineHart, addr: Word, size: int) -> Word:
    """The load of a read-modify-write: needs write permission, alignment and main memory."""
    if addr & (size - 1) != 0:
        s.trap(STORE_MISALIGNED, addr)
    paddr = locate(s, addr, size, STORE)
    if not in_ram(s, paddr, size):
        # PMA: devices support no atomics (Priv. 3.6.3: AMONone).
        s.trap(STORE_ACCESS_FAULT, addr)
    return s.ram_load(paddr, size)


@sem
def _request(s: EngineHart, paddr: Word, addr: Word, size: int, kind: int, value: Word) -> None:
    """Ask the bus; when it has answered the instruction runs again and comes by here once more."""
    fault = LOAD_ACCESS_FAULT if kind == MMIO_LOAD else STORE_ACCESS_FAULT
    if s.cluster.mmio_state == MMIO_FAULTED:
        s.cluster.mmio_state = s.const(MMIO_NONE)
        s.trap(fault, addr)
    if s.cluster.mmio_state != MMIO_DONE:
        if kind != MMIO_WATCHED and paddr & (size - 1) != 0:
            s.trap(fault, addr)
        s.cluster.mmio_addr = paddr
        s.cluster.mmio_size = s.const(size)
        s.cluster.mmio_kind = s.const(kind)
        s.cluster.mmio_value = value
        s.cluster.mmio_state = s.const(MMIO_REQUESTED)
        s.leave()
    s.cluster.mmio_state = s.const(MMIO_NONE)


@outlined
def _device_load(s: EngineHart, paddr: Word, addr: Word, size: int) -> Word:
    c = s.cluster
    aligned = (paddr & (size - 1)) == 0
    if size >= 4:
        offset = paddr & 7
        if aligned and paddr - offset == c.mtime_at:
            # Asking the bus would give the same, as time is that of this instruction.
            ticks = s.time() >> (offset << 3)
            if size == 4:
                ticks = ticks.zext(32)
            return ticks
    settled = c.mmio_state == MMIO_NONE  # else this instruction has its answer, and has to take it
    if settled and aligned and paddr == c.known_at and c.known_size == size:
        return c.known_value
    _request(s, paddr, addr, size, MMIO_LOAD, s.const(0))
    return c.mmio_value


@outlined
def _device_store(s: EngineHart, paddr: Word, addr: Word, size: int, value: Word) -> None:
    _request(s, paddr, addr, size, MMIO_STORE, value)


@outlined
def require_block(s: EngineHart, paddr: Word, addr: Word, size: int) -> None:
    """A trap unless main memory or a device has a part of the aligned block at `paddr`."""
    if not in_ram(s, paddr, 1):
        _request(s, paddr, addr, size, MMIO_PROBE, s.const(0))
