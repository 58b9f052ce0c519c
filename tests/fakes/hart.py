"""A hart for trying single instructions: registers, flat memory, traps as Python exceptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lockstep.isa.privileged import STORE_MISALIGNED
from lockstep.isa.state import FEATURES, HART_FIELDS, PMP_ENTRIES, RESET_VALUES
from lockstep.isa.table import decode
from lockstep.isa.values import Bits


class GuestTrap(Exception):
    """The instruction raised a synchronous exception."""

    def __init__(self, cause: int, tval: int) -> None:
        super().__init__(f"cause {cause}, tval {tval:#x}")
        self.cause = cause
        self.tval = tval


class Registers:
    """64-bit registers, of which number `zero` (if any) stays zero."""

    def __init__(self, count: int, zero: int = -1) -> None:
        self._values = [0] * count
        self._zero = zero

    def __getitem__(self, index: int) -> Bits:
        return Bits(64, self._values[index])

    def __setitem__(self, index: int, value: Bits | int) -> None:
        assert isinstance(value, int) or value.width == 64
        if index != self._zero:
            self._values[index] = int(value) & ((1 << 64) - 1)


class FakeHart:
    """The vocabulary over dicts. Virtual addresses are physical; unwritten memory reads as 0."""

    __slots__ = (
        "x", "f", "pmpaddr", "pc", "target", "memory", "stores", "word", "notes", "count",
        "counted", "mtime", "idle", "features", *HART_FIELDS,
    )  # fmt: skip

    def __init__(self, pc: int = 0x8000_0000) -> None:
        self.x: Any = Registers(32, zero=0)
        self.f: Any = Registers(32)
        self.pmpaddr: Any = Registers(PMP_ENTRIES)
        self.pc = Bits(64, pc)
        self.target: int | None = None  # where a jump went
        self.memory: dict[int, int] = {}  # by byte
        self.stores: list[tuple[int, int]] = []  # (address, size) in order
        self.word = 0x0000_0013
        self.notes: list[str] = []  # resync, timer, flush: what the engine was told
        self.count = 0  # icount
        self.counted = 0  # executed
        self.mtime = 0
        self.idle = False
        self.features = FEATURES
        for name in HART_FIELDS:
            setattr(self, name, RESET_VALUES.get(name, 0))

    def __setattr__(self, name: str, value: Any) -> None:
        if name in HART_FIELDS or name == "features":
            value = Bits(64, int(value))
        object.__setattr__(self, name, value)

    if TYPE_CHECKING:  # the hart fields

        def __getattr__(self, name: str) -> Bits: ...

    def execute(self, word: int) -> int:
        """Run one instruction; returns the next pc. Traps come out as GuestTrap."""
        one = decode(word)
        if one is None:
            raise GuestTrap(2, word)
        self.word, self.target = word, None
        operands = one.operands(word)
        function: Callable[..., None] = one.semantics
        taken = function.__code__.co_varnames[1 : function.__code__.co_argcount]
        function(self, **{name: _operand(name, operands[name]) for name in taken})
        following: int = self.next_pc.value if self.target is None else self.target
        return following

    # Memory.
    def peek(self, addr: int, size: int) -> int:
        bytes_ = bytes(self.memory.get(addr + i, 0) for i in range(size))
        return int.from_bytes(bytes_, "little")

    def poke(self, addr: int, size: int, value: int) -> None:
        masked = value & ((1 << 8 * size) - 1)
        for i, byte in enumerate(masked.to_bytes(size, "little")):
            self.memory[addr + i] = byte

    def load(self, addr: Bits, size: int) -> Bits:
        return Bits(64, self.peek(addr.value, size))

    def store(self, addr: Bits, size: int, value: Bits) -> None:
        assert value.width == 64
        self.stores.append((addr.value, size))
        self.poke(addr.value, size, value.value)

    def load_amo(self, addr: Bits, size: int) -> Bits:
        if addr.value % size:
            raise GuestTrap(STORE_MISALIGNED, addr.value)
        return self.load(addr, size)

    def phys_load(self, addr: Bits, size: int) -> tuple[Bits, bool]:
        return self.load(addr, size), True

    def update_pte(self, addr: Bits, pte: Bits) -> None:
        self.notes.append(f"pte {addr.value:#x}")
        self.poke(addr.value, 8, pte.value)

    def require_block(self, paddr: Bits, addr: Bits, size: int) -> None:
        self.notes.append(f"block {paddr.value:#x}")

    def note_page_table(self, addr: Bits) -> None:
        self.notes.append(f"page table {addr.value:#x}")

    # Control.
    @property
    def ilen(self) -> int:
        return 4 if self.word & 3 == 3 else 2

    @property
    def next_pc(self) -> Bits:
        return self.pc + self.ilen

    def insn_word(self) -> Bits:
        return Bits(64, self.word)

    def jump(self, target: Bits) -> None:
        self.target = target.value

    def jump_relative(self, offset: Bits) -> None:
        self.jump(self.pc + offset)

    def trap(self, cause: Bits | int, tval: Bits | int) -> None:
        raise GuestTrap(int(cause), int(tval))

    def resync(self) -> None:
        self.notes.append("resync")

    def timer_changed(self) -> None:
        self.notes.append("timer")

    def flush_translations(self) -> None:
        self.notes.append("flush")

    def protection_changed(self) -> None:
        self.notes.append("flush")

    def wait_for_interrupt(self) -> None:
        self.idle = True

    # Time and the rest.
    def icount(self) -> Bits:
        return Bits(64, self.count)

    def executed(self) -> Bits:
        return Bits(64, self.counted)

    def time(self) -> Bits:
        return Bits(64, self.mtime)

    def const(self, value: int, width: int = 64) -> Bits:
        return Bits(width, value)

    def invoke(self, function: Callable[..., Any], args: tuple[Any, ...], outlined: bool) -> Any:
        return function(self, *args)


def _operand(name: str, value: int) -> int | Bits:
    return value if name.startswith("r") and name != "rm" else Bits(64, value)
