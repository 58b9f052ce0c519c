"""The platform-level interrupt controller, in the layout of SiFive's and QEMU's.

RISC-V PLIC specification 1.0.0. A gateway takes a level, which is forwarded again after each
completion while it is high, and requests, each of which is forwarded once (1.2 knows both kinds).
Context 2h is hart h in M-mode, 2h+1 the same hart in S-mode.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lockstep.machine.device import Device, IrqLine, polled, reads, writes

SOURCES = 95
WORDS = 3
MAX_PRIORITY = 7
WORD = (1 << 32) - 1
# Source 0 does not exist (PLIC 1.4): its bits are wired to zero.
EXISTING = (1 << SOURCES + 1) - 2


class PlicState(msgspec.Struct, frozen=True):
    """Masks are 32-bit words as the guest reads them; bit c of `asserted` is context c's line."""

    priority: tuple[int, ...]
    levels: tuple[int, ...]
    pending: tuple[int, ...]
    claimed: tuple[int, ...]
    enable: tuple[tuple[int, ...], ...]
    threshold: tuple[int, ...]
    asserted: int


class Plic(Device):
    """Gateways, priorities and one line for each context."""

    State = PlicState
    span = 0x60_0000
    priority: list[int]
    levels: int
    pending: int
    claimed: int
    enable: list[int]
    threshold: list[int]
    asserted: int

    def __init__(self, lines: Sequence[IrqLine]) -> None:
        self.lines = lines
        self.contexts = len(lines)
        super().__init__()

    def reset(self) -> None:
        self.priority = [0] * (SOURCES + 1)
        self.levels = self.pending = self.claimed = self.asserted = 0
        self.enable = [0] * self.contexts
        self.threshold = [0] * self.contexts

    def save(self) -> PlicState:
        return PlicState(
            priority=tuple(self.priority),
            levels=_words(self.levels),
            pending=_words(self.pending),
            claimed=_words(self.claimed),
            enable=tuple(map(_words, self.enable)),
            threshold=tuple(self.threshold),
            asserted=self.asserted,
        )

    def restore(self, state: msgspec.Struct) -> None:
        assert isinstance(state, PlicState)
        self.priority = list(state.priority)
        self.levels = _mask(state.levels)
        self.pending = _mask(state.pending)
        self.claimed = _mask(state.claimed)
        self.enable = list(map(_mask, state.enable))
        self.threshold = list(state.threshold)
        self.asserted = state.asserted

    def drive(self, source: int, level: bool) -> None:
        """The gateway of one source: forward the first assertion, then wait for completion.

        A request that was forwarded stays pending when the level drops (PLIC 1.0.0, 1.2).
        """
        bit = 1 << source
        if bool(self.levels & bit) == level:
            return
        self.levels ^= bit
        if level and not self.claimed & bit:
            self.pending |= bit
            self._update_lines()

    def request(self, source: int, wanted: bool) -> None:
        """The same gateway's other input: forward this once, after completion if in service.

        Until it is forwarded it can be withdrawn.
        """
        bit = 1 << source
        if wanted and not self.pending & bit:
            self.pending |= bit
            self._update_lines()
        elif not wanted and self.claimed & bit:
            self.pending &= ~bit

    @reads(0x0, each=((SOURCES + 1, 4),))
    def source_priority(self, source: int) -> int:
        """0 never interrupts; 7 is the most urgent."""
        return self.priority[source]

    @writes(0x0, each=((SOURCES + 1, 4),))
    def set_source_priority(self, source: int, value: int) -> None:
        """WARL, three bits."""
        if source:
            self.priority[source] = value & MAX_PRIORITY
            self._update_lines()

    @polled
    @reads(0x1000, each=((WORDS, 4),))
    def pending_word(self, word: int) -> int:
        """Requests that no context has claimed."""
        return self._forwarded() >> 32 * word & WORD

    @reads(0x2000, each=(("contexts", 0x80), (WORDS, 4)))
    def enable_word(self, context: int, word: int) -> int:
        """Sources this context wants to hear of."""
        return self.enable[context] >> 32 * word & WORD

    @writes(0x2000, each=(("contexts", 0x80), (WORDS, 4)))
    def set_enable_word(self, context: int, word: int, value: int) -> None:
        """Set 32 enable bits."""
        kept = self.enable[context] & ~(WORD << 32 * word)
        self.enable[context] = (kept | value << 32 * word) & EXISTING
        self._update_lines()

    @reads(0x20_0000, each=(("contexts", 0x1000),))
    def context_threshold(self, context: int) -> int:
        """Sources of this priority or less do not interrupt."""
        return self.threshold[context]

    @writes(0x20_0000, each=(("contexts", 0x1000),))
    def set_context_threshold(self, context: int, value: int) -> None:
        """WARL, three bits."""
        self.threshold[context] = value & MAX_PRIORITY
        self._update_lines()

    @polled
    @reads(0x20_0004, each=(("contexts", 0x1000),))
    def claim(self, context: int) -> int:
        """Take the most urgent request, the lowest number among equals; 0 if there is none.

        The threshold plays no part here (PLIC 1.0.0, 8).
        """
        source = self._most_urgent(self._forwarded() & self.enable[context], above=0)
        if source:
            self.pending &= ~(1 << source)
            self.claimed |= 1 << source
            self._update_lines()
        return source

    @writes(0x20_0004, each=(("contexts", 0x1000),))
    def complete(self, context: int, value: int) -> None:
        """Open the gateway again. Ignored for a source not enabled here (PLIC 1.0.0, 9)."""
        bit = 1 << value if value <= SOURCES else 0
        if not self.claimed & self.enable[context] & bit:
            return
        self.claimed &= ~bit
        self.pending |= self.levels & bit
        if self.pending & bit:
            self._update_lines()

    def _forwarded(self) -> int:
        """What is pending: a request that was made during service waits in the gateway."""
        return self.pending & ~self.claimed

    def _most_urgent(self, candidates: int, above: int) -> int:
        best = 0
        while candidates:
            source = (candidates & -candidates).bit_length() - 1
            candidates &= candidates - 1
            if self.priority[source] > above:
                best, above = source, self.priority[source]
        return best

    def _update_lines(self) -> None:
        for context, enabled in enumerate(self.enable):
            wanted = self._forwarded() & enabled
            level = bool(wanted and self._most_urgent(wanted, self.threshold[context]))
            if level != bool(self.asserted >> context & 1):
                self.asserted ^= 1 << context
                self.lines[context](level)


def _words(mask: int) -> tuple[int, ...]:
    return tuple(mask >> 32 * word & WORD for word in range(WORDS))


def _mask(words: Sequence[int]) -> int:
    return sum(word << 32 * i for i, word in enumerate(words))
