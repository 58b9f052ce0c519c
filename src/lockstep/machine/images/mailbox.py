"""Where an ELF program talks to the host: the words `tohost` and `fromhost` that Spike looks at."""

from __future__ import annotations

import io
from typing import Final, NamedTuple

from lockstep.machine.images.symtab import read_symbol_table

_TO, _FROM = "tohost", "fromhost"
_NAMED: Final = b"tohost\0"  # maybe the end of a longer name


class Mailbox(NamedTuple):
    """Physical addresses of 8 bytes each."""

    tohost: int
    fromhost: int


def find_mailbox(data: bytes | None) -> Mailbox | None:
    """That of an ELF file with both symbols. One whose symbols cannot be read has none."""
    if data is None or data[:4] != b"\x7fELF" or _NAMED not in data:
        return None
    try:
        symbols, _ = read_symbol_table(io.BytesIO(data))
    except ValueError:
        return None
    places = {each.name: each.value for each in symbols if each.name in (_TO, _FROM)}
    return Mailbox(places[_TO], places[_FROM]) if len(places) == 2 else None
