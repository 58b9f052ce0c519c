"""What `s` and `c` mean in the reference engine: the vocabulary over Bits and plain memory.

The native twin is native/vocabulary. Cached translations are dictionaries here, page number to
place in main memory; a page that page tables lie on is never in the dictionary for stores, so that
every store to one is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NoReturn

from lockstep.cpu.access import in_ram, load_amo_slow, load_slow, require_block, store_slow
from lockstep.cpu.layout import (
    CLUSTER_OFFSET,
    DIRTY,
    DROPPED,
    F_OFFSET,
    HART_OFFSET,
    PAGE,
    SLOW,
    TABLE,
    X_OFFSET,
)
from lockstep.cpu.memory import Ram
from lockstep.cpu.schedule import TICK_NS
from lockstep.cpu.state import MASK, ClusterBlock, Field, HartState, with_fields
from lockstep.isa.mmu import effective_priv
from lockstep.isa.privileged import FETCH, STATUS_MXR, STATUS_SUM, STORE, Access
from lockstep.isa.values import Bits

# size -> how to read and write so many bytes, little-endian, at any alignment
_FORMATS: Final = {
    size: Struct("<" + code) for size, code in ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))
}
_READ: Final = {size: packed.unpack_from for size, packed in _FORMATS.items()}
_WRITE: Final = {size: packed.pack_into for size, packed in _FORMATS.items()}
_ONES: Final = {size: (1 << 8 * size) - 1 for size in _FORMATS}
_IN_PAGE: Final = PAGE - 1

_P0: Final = HART_OFFSET["pmpaddr0"] >> 3
_PC: Final = HART_OFFSET["pc"] >> 3


class Trap(Exception):
    """The instruction raised a synchronous exception."""

    def __init__(self, cause: int, tval: int) -> None:
        super().__init__(cause, tval)
        self.cause = cause
        self.tval = tval


class Leave(Exception):
    """The instruction is given up, to run again once a device has answered."""


class WordField(Field):
    """A 64-bit field of a block, as semantics see it."""

    def __get__(self, block: Any, owner: Any = None) -> Any:
        return Bits(64, block.words[self.index])

    def __set__(self, block: Any, value: Bits | int) -> None:
        if isinstance(value, int):
            block.words[self.index] = value & MASK
        else:
            assert value.width == 64
            block.words[self.index] = value.value


class WordFile:
    """A register file from word `start` of a hart's block. A write to `hardwired` is dropped."""

    __slots__ = ("_hardwired", "_start", "_words")

    def __init__(self, words: memoryview, start: int, hardwired: int = -1) -> None:
        self._words = words
        self._start = start
        self._hardwired = hardwired

    def __getitem__(self, index: int) -> Bits:
        return Bits(64, self._words[self._start + index])

    def __setitem__(self, index: int, value: Bits | int) -> None:
        if index == self._hardwired:
            index = DROPPED
        if isinstance(value, int):
            value = Bits(64, value)
        assert value.width == 64
        self._words[self._start + index] = value.value


class Vocabulary:
    """What harts and the cluster have in common."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Bits: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def const(self, value: int, width: int = 64) -> Bits:
        return Bits(width, value)

    def invoke(self, function: Callable[..., Any], args: tuple[Any, ...], outlined: bool) -> Any:
        return function(self, *args)


Translations = dict[int, int]


class Context:
    """Translations that hold for one combination of mode and mstatus bits."""

    def __init__(self) -> None:
        self.loads: Translations = {}
        self.stores: Translations = {}
        self.fetches: Translations = {}

    def clear(self) -> None:
        self.loads.clear()
        self.stores.clear()
        self.fetches.clear()


@with_fields(CLUSTER_OFFSET, WordField)
class ReferenceCluster(Vocabulary):
    """All harts, main memory, and what cached translations rest on."""

    def __init__(
        self, block: ClusterBlock, ram: Ram, execute: Callable[[ReferenceHart, int], None]
    ) -> None:
        self.words: memoryview = block.words
        self.ram: Ram = ram
        self._execute: Callable[[ReferenceHart, int], None] = execute
        self._tables: list[int] = []
        self.members: Sequence[ReferenceHart] = [ReferenceHart(self, h) for h in block.members]

    def hart(self, number: Bits) -> ReferenceHart:
        return self.members[number.value]

    def execute(self, hart: ReferenceHart, budget: Bits) -> None:
        self._execute(hart, budget.value)

    def flush(self) -> None:
        """Drop every cached translation, and with them what they rested on."""
        for hart in self.members:
            hart.flush_translations()
        for page in self._tables:
            self.ram.flags[page] &= ~TABLE
        self._tables.clear()

    def note_table(self, page: int) -> None:
        if not self.ram.flags[page] & TABLE:
            self.ram.flags[page] |= TABLE
            self._tables.append(page)
            for hart in self.members:
                hart.forbid_stores(page * PAGE)


@with_fields(HART_OFFSET, WordField)
class ReferenceHart(Vocabulary):
    """One hart. `word`, `ilen` and `following` are those of the instruction being executed."""

    def __init__(self, cluster: ReferenceCluster, state: HartState) -> None:
        self.words: memoryview = state.words
        self.x: WordFile = WordFile(state.words, X_OFFSET >> 3, hardwired=0)
        self.f: WordFile = WordFile(state.words, F_OFFSET >> 3)
        self.pmpaddr: WordFile = WordFile(state.words, _P0)
        self._shared: ReferenceCluster = cluster
        self._ram: Any = cluster.ram.memory
        self._base: int = cluster.ram.base
        self._flags: Any = cluster.ram.flags
        self.word: int = 0
        self.ilen: int = 4
        self.following: int = 0
        self._contexts: dict[tuple[int, int], Context] = {}
        self.data: Context = Context()
        self.code: Context = Context()

    # Position and time.
    @property
    def cluster(self) -> ReferenceCluster:
        return self._shared

    @property
    def ram_base(self) -> Bits:
        return self._shared.ram_base

    @property
    def ram_size(self) -> Bits:
        return self._shared.ram_size

    @property
    def next_pc(self) -> Bits:
        return Bits(64, self.words[_PC] + self.ilen)

    def insn_word(self) -> Bits:
        return Bits(64, self.word)

    def icount(self) -> Bits:
        return self.limit - self.left

    def executed(self) -> Bits:
        return self.icount() + self.attempted_base

    def time(self) -> Bits:
        cluster = self._shared
        now = (self.icount() << cluster.shift) + cluster.warp
        return now // TICK_NS + cluster.time_offset

    # What ends or redirects an instruction.
    def trap(self, cause: Bits | int, tval: Bits | int) -> NoReturn:
        raise Trap(int(cause), int(tval) & MASK)

    def leave(self) -> NoReturn:
        raise Leave

    def jump(self, target: Bits) -> None:
        self.following = target.value

    def jump_relative(self, offset: Bits) -> None:
        self.following = (self.words[_PC] + offset.value) & MASK

    def resync(self) -> None:
        self.resync_due = 1

    def timer_changed(self) -> None:
        self.reschedule_due = 1
        self.resync_due = 1

    def wait_for_interrupt(self) -> None:
        self.waiting = 1
        self.timer_changed()

    # Memory.
    def load(self, addr: Bits, size: int) -> Bits:
        at = addr.value
        frame = self.data.loads.get(at >> 12)
        if frame is None or at & _IN_PAGE > PAGE - size:
            return load_slow(self, addr, size)
        return Bits(64, _READ[size](self._ram, frame + (at & _IN_PAGE))[0])

    def store(self, addr: Bits, size: int, value: Bits) -> None:
        at = addr.value
        frame = self.data.stores.get(at >> 12)
        if frame is None or at & _IN_PAGE > PAGE - size:
            store_slow(self, addr, size, value)
        else:
            _WRITE[size](self._ram, frame + (at & _IN_PAGE), value.value & _ONES[size])

    def load_amo(self, addr: Bits, size: int) -> Bits:
        at = addr.value
        frame = self.data.stores.get(at >> 12)
        if frame is None or at & (size - 1):
            return load_amo_slow(self, addr, size)
        return Bits(64, _READ[size](self._ram, frame + (at & _IN_PAGE))[0])

    def phys_load(self, addr: Bits, size: int) -> tuple[Bits, bool]:
        present = in_ram(self, addr, size)
        return (self.ram_load(addr, size) if present else Bits(64, 0)), present

    def require_block(self, paddr: Bits, addr: Bits, size: int) -> None:
        require_block(self, paddr, addr, size)

    def update_pte(self, addr: Bits, pte: Bits) -> None:
        at = addr.value - self._base
        self._flags[at // PAGE] |= DIRTY
        _WRITE[8](self._ram, at, pte.value)

    def ram_load(self, paddr: Bits, size: int) -> Bits:
        return Bits(64, _READ[size](self._ram, paddr.value - self._base)[0])

    def ram_store(self, paddr: Bits, size: int, value: Bits) -> None:
        at = paddr.value - self._base
        page = at // PAGE
        if self._flags[page] & TABLE and self._was_valid(at, size):
            self._shared.flush()
        self._flags[page] |= DIRTY
        _WRITE[size](self._ram, at, value.value & _ONES[size])

    def _was_valid(self, at: int, size: int) -> bool:
        """Whether a valid page-table entry is there. Others are never cached."""
        return any(self._ram[place & ~7] & 1 for place in (at, at + size - 1))

    # Cached translations.
    def remember(self, vaddr: Bits, paddr: Bits, access: Access) -> None:
        page = vaddr.value >> 12
        frame = (paddr.value - self._base) & ~_IN_PAGE
        if access is FETCH:
            self.code.fetches[page] = frame
        elif access is not STORE:
            self.data.loads[page] = frame
        elif not self._flags[frame // PAGE] & SLOW:
            self._flags[frame // PAGE] |= DIRTY
            self.data.stores[page] = frame

    def note_page_table(self, paddr: Bits) -> None:
        self._shared.note_table((paddr.value - self._base) // PAGE)

    def forbid_stores(self, frame: int) -> None:
        """Every store to this frame shall go the slow way."""
        for context in self._contexts.values():
            stores = context.stores
            for page in [page for page, place in stores.items() if place == frame]:
                del stores[page]

    def flush_translations(self) -> None:
        for context in self._contexts.values():
            context.clear()

    def protection_changed(self) -> None:
        self.flush_translations()

    def refresh_context(self) -> None:
        """Look with the eyes of the current privilege, and of the effective one for data."""
        rights = self.mstatus.value & (STATUS_SUM | STATUS_MXR)
        self.code = self._context(self.priv.value, 0)
        self.data = self._context(effective_priv(self).value, rights)

    def _context(self, priv: int, rights: int) -> Context:
        return self._contexts.setdefault((priv, rights), Context())
