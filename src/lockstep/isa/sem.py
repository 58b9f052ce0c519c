"""The vocabulary semantic functions are written in, and the two decorators that mark them.

A semantic function is ordinary Python whose first parameter is the hart, `s`. The reference engine
calls it with `Bits`; the native engines lower its syntax tree to LLVM. docs/architecture.md
("The semantics dialect") lists what such a function may contain.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from lockstep.isa.values import Word, WordArray

P = ParamSpec("P")
R = TypeVar("R")


class Hart(Protocol):
    """What a semantic function sees of the machine. Fields of HART_FIELDS are plain attributes."""

    x: WordArray
    f: WordArray
    pmpaddr: WordArray

    @property
    def pc(self) -> Word: ...
    @property
    def next_pc(self) -> Word: ...
    @property
    def ilen(self) -> int: ...

    def note_page_table(self, addr: Word) -> None:
        """Physical `addr` holds a page-table entry that cached translations now rest on."""

    def const(self, value: int, width: int = 64) -> Word:
        """A literal of a definite width."""

    def load(self, addr: Word, size: int) -> Word:
        """`size` bytes at virtual `addr`, zero-extended to 64 bits; may trap."""

    def store(self, addr: Word, size: int, value: Word) -> None:
        """Store the low `size` bytes of value; may trap."""

    def load_amo(self, addr: Word, size: int) -> Word:
        """A load that needs write permission too and reports store/AMO causes (6, 7, 15)."""

    def phys_load(self, addr: Word, size: int) -> tuple[Word, bool]:
        """A page-table read: (value, whether `addr` is main memory)."""

    def update_pte(self, addr: Word, pte: Word) -> None:
        """Write the page-table entry at physical `addr`, which is main memory.

        Only to set A or D: what is cached of the entry as it was still holds.
        """

    def require_block(self, paddr: Word, addr: Word, size: int) -> None:
        """A store/AMO access fault (tval `addr`) unless something is in a physical block."""

    def insn_word(self) -> Word:
        """The bits of this instruction (16 or 32), zero-extended: tval of illegal ones."""

    def trap(self, cause: int | Word, tval: int | Word) -> None:
        """Raise a synchronous exception at pc. Does not return."""

    def jump(self, target: Word) -> None:
        """The next instruction is at `target`."""

    def jump_relative(self, offset: Word) -> None:
        """The next instruction is at pc + offset."""

    def resync(self) -> None:
        """Privilege, translation or interrupt state changed: re-evaluate before the next."""

    def timer_changed(self) -> None:
        """A timer's deadline moved; implies resync."""

    def flush_translations(self) -> None:
        """satp changed: cached translations no longer hold."""

    def protection_changed(self) -> None:
        """PMP changed: neither do they, nor what was found permitted."""

    def wait_for_interrupt(self) -> None:
        """Stop executing until an enabled interrupt is pending."""

    def icount(self) -> Word:
        """Global instruction count before this instruction."""

    def executed(self) -> Word:
        """Instructions this hart attempted before this one."""

    def time(self) -> Word:
        """The mtime counter."""

    def invoke(self, function: Callable[..., Any], args: tuple[Any, ...], outlined: bool) -> Any:
        """Run a helper semantic function the engine's way."""

    def __getattr__(self, name: str) -> Word: ...
    def __setattr__(self, name: str, value: Any) -> None: ...


def sem(
    function: Callable[Concatenate[Any, P], R],
) -> Callable[Concatenate[Any, P], R]:
    """Mark a helper semantic function; native engines inline it."""
    return _marked(function, outlined=False)


def outlined(
    function: Callable[Concatenate[Any, P], R],
) -> Callable[Concatenate[Any, P], R]:
    """Mark a large helper semantic function; native engines make it a function of its own."""
    return _marked(function, outlined=True)


def _marked(
    function: Callable[Concatenate[Any, P], R], *, outlined: bool
) -> Callable[Concatenate[Any, P], R]:
    def call(s: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        assert not kwargs, "semantic functions take positional arguments"
        result: R = s.invoke(function, args, outlined)
        return result

    functools.update_wrapper(call, function)
    return call
