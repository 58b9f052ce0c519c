"""The vocabulary of isa/sem and cpu/access in native code: what `s` means while lowering."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Final

from llvmlite import ir

from lockstep.cpu.access import in_ram, load_amo_slow, load_slow, require_block, store_slow
from lockstep.cpu.layout import (
    CLUSTER_BYTES,
    CLUSTER_OFFSET,
    DROPPED,
    EVENT_LEAVE,
    EVENT_TRAP,
    F_OFFSET,
    FETCH_ENTRIES,
    FETCH_ENTRY_BYTES,
    HART_BYTES,
    HART_OFFSET,
    PAGE,
    TLB_ENTRIES,
    TLB_ENTRY_BYTES,
    X_OFFSET,
)
from lockstep.cpu.native import tlb
from lockstep.cpu.native.hostfloat import quick_version
from lockstep.cpu.native.words import I8, I64, PTR, VOID, NativeBool, NativeWord
from lockstep.cpu.schedule import TICK_NS
from lockstep.isa.pmp import decide
from lockstep.isa.privileged import Access
from lockstep.isa.state import PMP_ENTRIES

# Semantic functions are written for Bits; here they are given its native twin.
_load_slow: Any = load_slow
_store_slow: Any = store_slow
_load_amo_slow: Any = load_amo_slow
_require_block: Any = require_block
_in_ram: Any = in_ram
_tlb: Any = tlb
_decide: Any = inspect.unwrap(decide)

# Kinds of host memory that do not overlap.
STATE: Final = "state"  # the harts' blocks but for their tables
TRANSLATIONS: Final = "translations"
RAM: Final = "ram"


class Operand:
    """A register number of the instruction being executed: known only to its decoded entry."""

    def __init__(self, name: str, read: Callable[[], Any]) -> None:
        self.name = name
        self._read = read

    @property
    def index(self) -> Any:
        """The number, read from the entry where it is used: held over a call it costs a spill."""
        return self._read()


class Block:
    """A block of shared memory whose named fields read and write as attributes."""

    offsets: ClassVar[dict[str, int]] = {}

    def __init__(self, lowering: Any, pointer: Any) -> None:
        object.__setattr__(self, "lowering", lowering)
        object.__setattr__(self, "pointer", pointer)

    def slot(self, offset: int) -> Any:
        builder = self.lowering.builder
        return builder.gep(self.pointer, [I64(offset)], source_etype=I8, inbounds=True)

    def __getattr__(self, name: str) -> Any:
        offset = self.offsets.get(name)
        if offset is None:
            raise AttributeError(f"no field {name!r}")
        loaded = self.lowering.builder.load(self.slot(offset), typ=I64)
        return self.lowering.word(self.lowering.tagged(loaded, STATE))

    def __setattr__(self, name: str, value: Any) -> None:
        word = value if isinstance(value, NativeWord) else self.const(value)
        stored = self.lowering.builder.store(word.value, self.slot(self.offsets[name]))
        self.lowering.tagged(stored, STATE)

    def const(self, value: int, width: int = 64) -> NativeWord:
        word: NativeWord = self.lowering.literal(value, width)
        return word

    def invoke(self, function: Any, args: tuple[Any, ...], outlined: bool) -> Any:
        if outlined:
            return self.lowering.call_outlined(self, function, args)
        return self.lowering.inline(function, (self, *args))

    def address(self) -> NativeWord:
        word: NativeWord = self.lowering.word(self.lowering.builder.ptrtoint(self.pointer, I64))
        return word

    # Host memory, by host address.
    def host_load(self, address: NativeWord, size: int, memory: str = "") -> NativeWord:
        builder = self.lowering.builder
        pointer = builder.inttoptr(address.value, PTR)
        loaded = builder.load(pointer, typ=ir.IntType(8 * size), align=1)
        self.lowering.tagged(loaded, memory)
        return self.lowering.word(loaded).to(64)  # type: ignore[no-any-return]

    def host_store(
        self, address: NativeWord, size: int, value: NativeWord, memory: str = ""
    ) -> None:
        builder = self.lowering.builder
        pointer = builder.inttoptr(address.value, PTR)
        stored = builder.store(value.to(8 * size).value, pointer, align=1)
        self.lowering.tagged(stored, memory)

    def host_fill(self, address: NativeWord, size: int) -> None:
        """Set `size` bytes to ones."""
        at = self.const(0)
        self.lowering.loop(
            at, size // 8, lambda i: self.host_store(address + (i << 3), 8, self.const(-1))
        )


class NativeCluster(Block):
    """What all harts share."""

    offsets = CLUSTER_OFFSET

    def hart(self, number: NativeWord) -> NativeHart:
        base = self.address() + CLUSTER_BYTES + number * HART_BYTES
        pointer = self.lowering.builder.inttoptr(base.value, PTR)
        return NativeHart(self.lowering, pointer)

    def execute(self, hart: NativeHart, budget: NativeWord) -> None:
        """Run one hart for `budget` instructions or until it must stop; `hart.left` tells."""
        self.lowering.call_slice(hart, budget)


class Registers:
    """A register file at `offset`; x0 reads as zero and drops what is written."""

    def __init__(self, hart: NativeHart, offset: int, hardwired: bool) -> None:
        self.hart = hart
        self.offset = offset
        self.hardwired = hardwired

    def _slot(self, index: Any) -> Any:
        if isinstance(index, int):
            return self.hart.slot(self.offset + 8 * index)
        builder = self.hart.lowering.builder
        return builder.gep(self.hart.slot(self.offset), [index.index], source_etype=I64)

    def __getitem__(self, index: Any) -> NativeWord:
        if self.hardwired and isinstance(index, int) and index == 0:
            return self.hart.const(0)
        loaded = self.hart.lowering.builder.load(self._slot(index), typ=I64)
        word: NativeWord = self.hart.lowering.word(self.hart.lowering.tagged(loaded, STATE))
        return word

    def __setitem__(self, index: Any, value: Any) -> None:
        if self.hardwired and isinstance(index, int) and index == 0:
            index = DROPPED
        if self.hardwired and isinstance(index, Operand):
            self.hart.lowering.writes_x(index.name)
        word = value if isinstance(value, NativeWord) else self.hart.const(value)
        stored = self.hart.lowering.builder.store(word.value, self._slot(index))
        self.hart.lowering.tagged(stored, STATE)


class PmpAddresses:
    """pmpaddr0..15, by static number."""

    def __init__(self, hart: NativeHart) -> None:
        self.hart = hart

    def __getitem__(self, index: int) -> NativeWord:
        assert 0 <= index < PMP_ENTRIES
        word: NativeWord = getattr(self.hart, f"pmpaddr{index}")
        return word

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self.hart, f"pmpaddr{index}", value)


class NativeHart(Block):
    """One hart. Position (`pc`, budget) is the lowering's business: it differs by kind of code."""

    offsets = HART_OFFSET
    registers: ClassVar[type[Registers]] = Registers

    @property
    def x(self) -> Registers:
        return self.registers(self, X_OFFSET, True)

    @property
    def f(self) -> Registers:
        return self.registers(self, F_OFFSET, False)

    @property
    def pmpaddr(self) -> PmpAddresses:
        return PmpAddresses(self)

    @property
    def cluster(self) -> NativeCluster:
        address = Block.__getattr__(self, "cluster")
        pointer = self.lowering.builder.inttoptr(address.value, PTR)
        return NativeCluster(self.lowering, pointer)

    @property
    def ram_base(self) -> NativeWord:
        return self.cluster.ram_base  # type: ignore[no-any-return]

    @property
    def ram_size(self) -> NativeWord:
        return self.cluster.ram_size  # type: ignore[no-any-return]

    # Position and time.
    @property
    def pc(self) -> Any:
        return self.lowering.current_pc(self)

    @pc.setter
    def pc(self, value: NativeWord) -> None:
        Block.__setattr__(self, "pc", value)

    @property
    def next_pc(self) -> Any:
        return self.pc + self.lowering.ilen

    @property
    def ilen(self) -> int:
        return int(self.lowering.ilen)

    def icount(self) -> NativeWord:
        return self.limit - self.lowering.budget_left(self)  # type: ignore[no-any-return]

    def executed(self) -> NativeWord:
        return self.icount() + self.attempted_base  # type: ignore[no-any-return]

    def time(self) -> NativeWord:
        cluster = self.cluster
        now = (self.icount() << cluster.shift) + cluster.warp
        return now // TICK_NS + cluster.time_offset  # type: ignore[no-any-return]

    # What ends or redirects an instruction.
    def trap(self, cause: Any, tval: Any) -> None:
        self.trap_cause = cause
        self.trap_tval = tval
        self.event = self.const(EVENT_TRAP)
        self.lowering.leave_for_event()

    def leave(self) -> None:
        self.event = self.const(EVENT_LEAVE)
        self.lowering.leave_for_event()

    def jump(self, target: NativeWord) -> None:
        self.lowering.control = ("to", target)

    def jump_relative(self, offset: NativeWord) -> None:
        self.lowering.control = ("by", offset)
        self.lowering.relative = True

    def insn_word(self) -> NativeWord:
        return self.lowering.insn_word()  # type: ignore[no-any-return]

    def resync(self) -> None:
        self.resync_due = self.const(1)
        self.lowering.mark("may_resync")

    def timer_changed(self) -> None:
        self.reschedule_due = self.const(1)
        self.resync()

    def wait_for_interrupt(self) -> None:
        self.waiting = self.const(1)
        self.timer_changed()

    # Memory.
    def _fast(self, addr: NativeWord, size: int, tag_at: int) -> tuple[NativeBool, NativeWord]:
        """(whether the translation is cached and the address aligned, the host address)."""
        table = self.lowering.data_table(self)
        entry = table + ((addr >> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY_BYTES
        tag = self.host_load(entry + tag_at, 8, TRANSLATIONS)
        hit = tag == addr & (-PAGE | (size - 1))
        return hit, self.host_load(entry + 16, 8, TRANSLATIONS) + addr

    def load(self, addr: NativeWord, size: int) -> NativeWord:
        hit, host = self._fast(addr, size, 0)
        return self.lowering.either_way(  # type: ignore[no-any-return]
            hit, lambda: self.host_load(host, size, RAM), lambda: _load_slow(self, addr, size)
        )

    def store(self, addr: NativeWord, size: int, value: NativeWord) -> None:
        hit, host = self._fast(addr, size, 8)
        self.lowering.either_way(
            hit,
            lambda: self.host_store(host, size, value, RAM),
            lambda: _store_slow(self, addr, size, value),
        )

    def load_amo(self, addr: NativeWord, size: int) -> NativeWord:
        hit, host = self._fast(addr, size, 8)
        return self.lowering.either_way(  # type: ignore[no-any-return]
            hit, lambda: self.host_load(host, size, RAM), lambda: _load_amo_slow(self, addr, size)
        )

    def phys_load(self, addr: NativeWord, size: int) -> tuple[NativeWord, NativeBool]:
        present = _in_ram(self, addr, size)
        at = self.lowering._select(
            present, lambda: addr, lambda: self.ram_base
        )  # any readable place
        return self.ram_load(at, size), present

    def require_block(self, paddr: NativeWord, addr: NativeWord, size: int) -> None:
        _require_block(self, paddr, addr, size)

    def update_pte(self, addr: NativeWord, pte: NativeWord) -> None:
        _tlb.before_store(self, addr, self.const(8), False)
        self.host_store(_tlb.host_address(self, addr), 8, pte)

    def ram_load(self, paddr: NativeWord, size: int) -> NativeWord:
        return self.host_load(_tlb.host_address(self, paddr), size)

    def ram_store(self, paddr: NativeWord, size: int, value: NativeWord) -> None:
        _tlb.before_store(self, paddr, size, True)
        self.host_store(_tlb.host_address(self, paddr), size, value)

    def remember(self, vaddr: NativeWord, paddr: NativeWord, access: Access) -> None:
        _tlb.remember(self, vaddr, paddr, access)

    def note_page_table(self, paddr: NativeWord) -> None:
        _tlb.note_page_table(self, paddr)

    def flush_translations(self) -> None:
        _tlb.flush(self)

    def protection_changed(self) -> None:
        _tlb.flush(self)
        _tlb.forget_permissions(self)

    def invoke(self, function: Any, args: tuple[Any, ...], outlined: bool) -> Any:
        if function is _decide:
            return _tlb.decide_memoised(self, *args)
        quick = quick_version(function)
        slow = super().invoke
        if quick is None:
            return slow(function, args, outlined)
        sure, result, flags = quick(self, *args)
        return self.lowering.either_way(
            sure, lambda: (result, flags), lambda: slow(function, args, outlined)
        )

    def decide_anew(self, *args: Any) -> Any:
        """PMP's answer as isa/pmp gives it."""
        return super().invoke(_decide, args, True)

    # Decoded pages.
    def clear_decoded(self, page: NativeWord) -> None:
        """Make every entry of a decoded page one that is still to be decoded."""
        self.lowering.clear_decoded(page)

    def clear_entry(self, entry: NativeWord) -> None:
        self.lowering.forget_handler(entry)

    def fetch_slot(self, addr: NativeWord) -> NativeWord:
        """The host address of the fetch entry that `addr` would have."""
        number = (addr >> 12) & (FETCH_ENTRIES - 1)
        return self.fetch_table + number * FETCH_ENTRY_BYTES  # type: ignore[no-any-return]

    def decode(self, word: NativeWord, entry: NativeWord, offset: NativeWord) -> None:
        """Fill a decoded entry from an instruction word."""
        pointer = self.lowering.builder.inttoptr(entry.value, PTR)
        self.lowering.call_raw("decode", VOID, [word.value, pointer, offset.value])

    def straddle_entry(self, entry: NativeWord) -> None:
        self.lowering.put_handler(entry, "op_straddle")

    def refetch_entry(self, entry: NativeWord) -> None:
        self.lowering.put_handler(entry, "op_refetch")

    def next_page_entry(self, entry: NativeWord) -> None:
        self.lowering.put_handler(entry, "op_next_page")
