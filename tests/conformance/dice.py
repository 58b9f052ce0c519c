"""Choices drawn from hypothesis, many from one draw: a case takes a hundred of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from hypothesis import strategies as st

from instructions import CORNERS

T = TypeVar("T")
Draw = Callable[[st.SearchStrategy[Any]], Any]

# Hypothesis draws from wider ranges unevenly.
_BITS: Final = 120
# It also likes zero, which would be the first choice every time.
_SHUFFLE: Final = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C8
_SUPPLY: Final = st.integers(0, (1 << _BITS) - 1).map(lambda number: number ^ _SHUFFLE)


class Dice:
    """Numbers and choices out of what `draw` gives."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._left = 1
        self._number = 0

    def below(self, limit: int) -> int:
        """A number from 0 to limit - 1."""
        if self._left < limit << 16:  # or it would be far from even
            self._number, self._left = self._draw(_SUPPLY), 1 << _BITS
        self._left //= limit
        self._number, found = divmod(self._number, limit)
        return found

    def between(self, low: int, high: int) -> int:
        """A number from low to high, both included."""
        return low + self.below(high - low + 1)

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def once_in(self, times: int) -> bool:
        return self.below(times) == 0

    def word(self) -> int:
        """64 bits: a corner, a run of ones, 32 bits extended either way, or anything."""
        kind = self.below(6)
        if kind <= 2:
            return self.pick(CORNERS)
        if kind == 3:
            return (1 << self.below(65)) - (1 << self.below(65)) & ((1 << 64) - 1)
        if kind == 4:
            return self.between(-(1 << 31), (1 << 32) - 1) % (1 << 64)
        return self.below(1 << 64)
