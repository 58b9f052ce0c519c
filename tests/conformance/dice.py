"""Choices drawn from hypothesis, many from one draw: a case takes a hundred of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from hypothesis import strategies as st

from instructions import CORNERS

T = TypeVar("T")
Draw = Callable[[st.SearchStrategy[Any]], Any]

# Bytes, because of large integers hypothesis likes the small ones best.
_BYTES: Final = 32
_SUPPLY: Final = st.binary(min_size=_BYTES, max_size=_BYTES)
# And it likes zeros, which would be the first choice every time.
_SHUFFLE: Final = int.from_bytes(bytes(range(1, 1 + _BYTES)), "little")


class Dice:
    """Numbers and choices out of what `draw` gives."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._left = 1
        self._number = 0

    def below(self, limit: int) -> int:
        """A number from 0 to limit - 1."""
        if self._left < limit << 16:  # or it would be far from even
            self._number = int.from_bytes(self._draw(_SUPPLY), "little") ^ _SHUFFLE
            self._left = 1 << 8 * _BYTES
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
