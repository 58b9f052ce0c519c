"""Instants in front of the console's lines, for people who look on; no recording has them."""

from collections.abc import Callable
from typing import Final

Clock = Callable[[], tuple[int, int]]
"""How many instructions the machine has executed, and its virtual time in ns."""

_NS_PER_S: Final = 10**9


class LineStamps:
    """Stamps lines while it is `on`: with virtual time or, for a replay, with the `instants` too,
    in the form in which options read them."""

    def __init__(self, *, instants: bool = False) -> None:
        self.on = instants
        self._instants = instants
        self._line_begins = True

    def mark(self, data: bytes, clock: Clock) -> bytes:
        """`data` with a stamp wherever a line begins; `clock` says when that is."""
        if not data:
            return data
        begins, self._line_begins = self._line_begins, data.endswith(b"\n")
        if not self.on:
            return data
        stamp = self._stamp(*clock())
        marked = data[:-1].replace(b"\n", b"\n" + stamp) + data[-1:]
        return stamp + marked if begins else marked

    def _stamp(self, instructions: int, virtual_ns: int) -> bytes:
        if self._instants:
            return f"[{instructions:>13,} {seconds(virtual_ns):>14}] ".encode()
        return b"[%12.6f] " % (virtual_ns / _NS_PER_S)


def seconds(ns: int) -> str:
    """A time, to the nanosecond: 12.500000000s. The options that take instants read it."""
    return f"{ns // _NS_PER_S:,}.{ns % _NS_PER_S:09}s"
