"""Two machines held against each other, value by value."""

from __future__ import annotations

from collections.abc import Iterator

from lockstep.det.leaves import Difference, compare
from lockstep.machine.board import PAGE
from lockstep.machine.machine import Machine

_MOST_PAGES = 16
_SHOWN = 8  # bytes


def differences(expected: Machine, actual: Machine) -> list[Difference]:
    """All that differs, in the order of the parts; but not more than a few pages of RAM."""
    parts = (name for name, _ in expected.digests().parts() if name != "ram")
    found = [each for part in parts for each in _fields(part, expected, actual)]
    return found + list(_ram(expected, actual))


def _fields(part: str, expected: Machine, actual: Machine) -> list[Difference]:
    return compare(part, expected.fields(part), actual.fields(part))


def _ram(expected: Machine, actual: Machine) -> Iterator[Difference]:
    mine, theirs = expected.pages(), actual.pages()
    numbers = sorted(n for n in {**mine, **theirs} if mine.get(n) != theirs.get(n))
    for number in numbers[:_MOST_PAGES]:
        yield _page(number, expected, actual)
    if len(numbers) > _MOST_PAGES:
        yield Difference("ram", f"{len(numbers) - _MOST_PAGES:,} more pages")


def _page(number: int, expected: Machine, actual: Machine) -> Difference:
    start = number * PAGE
    right, came = (bytes(each.ram.view[start : start + PAGE]) for each in (expected, actual))
    first = next(at for at in range(PAGE) if right[at] != came[at])
    where = f"page {expected.ram.base + start:#x}, byte {first:#x}"
    shown = slice(first, first + _SHOWN)
    return Difference("ram", where, right[shown].hex(" "), came[shown].hex(" "))
