"""Virtual time in front of the console's lines, for people who look on; no recording has it."""

from collections.abc import Callable


class LineStamps:
    """Stamps lines while it is `on`."""

    def __init__(self) -> None:
        self.on = False
        self._line_begins = True

    def mark(self, data: bytes, virtual_ns: Callable[[], int]) -> bytes:
        """`data` with a stamp wherever a line begins; `virtual_ns` says what time it is."""
        if not data:
            return data
        begins, self._line_begins = self._line_begins, data.endswith(b"\n")
        if not self.on:
            return data
        stamp = b"[%12.6f] " % (virtual_ns() / 1e9)
        marked = data[:-1].replace(b"\n", b"\n" + stamp) + data[-1:]
        return stamp + marked if begins else marked
