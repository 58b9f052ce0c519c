"""Which code is hot: where slices end is a fair sample of what runs, and costs handlers nothing."""

from __future__ import annotations

from typing import Final

from lockstep.cpu.layout import (
    DECODED_PAGE_BYTES,
    ENTRY_SHIFT,
    HEAT_BYTES,
    HEAT_LINE,
    HEAT_TOTAL_AT,
    HEAT_WAIT_AT,
    PAGE,
    REGION_LINES_OFFSET,
)
from lockstep.cpu.vocabulary import NativeHart
from lockstep.isa.sem import outlined, sem
from lockstep.isa.values import Word

_MOST: Final = (1 << 16) - 1
_LINE_ENTRIES: Final = HEAT_LINE << ENTRY_SHIFT  # bytes of the decoded entries of a line


@outlined
def sample(s: NativeHart) -> None:
    """A slice has ended before the entry `stopped_at`: count it, and tell if its page is hot.

    What regions do already does not count.
    """
    pool = s.stopped_at - s.cluster.pool_host
    page = pool // DECODED_PAGE_BYTES
    line = (pool % DECODED_PAGE_BYTES) // _LINE_ENTRIES
    # What is not in the pool is the scratch page: that address is beyond every page.
    if page < s.cluster.ram_size // PAGE and line < PAGE // HEAT_LINE:
        _count(s, page, line)


@sem
def _count(s: NativeHart, page: Word, line: Word) -> None:
    rested = s.cluster.pool_host + page * DECODED_PAGE_BYTES + REGION_LINES_OFFSET
    if not s.host_load(rested, 8).bit(line):
        record = s.cluster.heat_host + page * HEAT_BYTES
        count = s.host_load(record + (line << 1), 2)
        if count < _MOST:
            s.host_store(record + (line << 1), 2, count + 1)
        total = s.host_load(record + HEAT_TOTAL_AT, 8) + 1
        s.host_store(record + HEAT_TOTAL_AT, 8, total)
        wait = s.host_load(record + HEAT_WAIT_AT, 8)
        if total >= wait and total >= s.cluster.heat_least:
            s.cluster.hot_page = page + 1
            s.cluster.attention = s.const(1)


@sem
def cool(s: NativeHart, paddr: Word) -> None:
    """The code of paddr's page is another one now."""
    page = (paddr - s.cluster.ram_base) // PAGE
    record = s.cluster.heat_host + page * HEAT_BYTES
    s.host_store(record + HEAT_TOTAL_AT, 8, s.const(0))
    s.host_store(record + HEAT_WAIT_AT, 8, s.const(0))
