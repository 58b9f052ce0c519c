"""The machine taken apart into leaves, single values with names, so that a difference has a name.

A leaf has 64 bits. What is longer is cut up, or stands there as a hash; every leaf has a place for
the code of `det/syndrome` by its name alone.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Final, Protocol

import msgspec
import xxhash

from lockstep.det.syndrome import MAX_PLACE, corrected, errors, moments, pack

_MASK: Final = (1 << 64) - 1
_NONE: Final = 0x6E6F_6E65_6E6F_6E65  # what stands for None: "none", twice
_WORD: Final = 8
_CUT_UP: Final = 64  # bytes; longer strings are hashed


class Difference(msgspec.Struct, frozen=True):
    """A part of the machine that is not as it should be: where in it, what was expected, what came.

    `where` is empty if no more is known than the part, the other two if their values are not.
    """

    part: str
    where: str = ""
    expected: str = ""
    actual: str = ""

    def __str__(self) -> str:
        name = f"{self.part} {self.where}".rstrip()
        if not self.expected and not self.actual:
            return name
        return f"{name}: expected {self.expected}, came {self.actual}"


class Inside(Protocol):
    """What is inside a part of the machine, as long as the machine stands still."""

    def syndrome(self) -> bytes:
        """The error-finding code of its leaves."""

    def differences(self, expected: bytes) -> list[Difference]:
        """The leaves that differ from those with this syndrome; empty if it cannot be said."""


Open = Callable[[str], Inside | None]
"""Opens a part of the machine, by its name; None for one that cannot be taken apart."""

Values = Mapping[str, int]
"""Leaves by name."""


class Fields:
    """An `Inside` of values that have names."""

    def __init__(self, part: str, values: Values) -> None:
        self.part = part
        self.values = values

    def syndrome(self) -> bytes:
        """The error-finding code of its leaves."""
        return pack(moments((_place(name), value) for name, value in self.values.items()))

    def differences(self, expected: bytes) -> list[Difference]:
        """The leaves that differ from those with this syndrome; empty if it cannot be said."""
        names = {_place(name): name for name in self.values}
        found = []
        for place, excess in errors(expected, self.syndrome(), names).items():
            name = names[place]
            value = self.values[name]
            right = show(corrected(value, excess))
            found.append(Difference(self.part, name, right, show(value)))
        return found


def compare(part: str, expected: Values, actual: Values) -> list[Difference]:
    """All leaves that differ between two states that are both at hand."""
    return [
        Difference(part, name, show(expected.get(name)), show(actual.get(name)))
        for name in {**expected, **actual}
        if expected.get(name) != actual.get(name)
    ]


def leaves(state: Any) -> dict[str, int]:
    """The leaves of a state (Struct or built-in values), named as Python would."""
    return dict(_leaves("", state))


def show(value: int | None) -> str:
    """A leaf for people."""
    if value is None:
        return "absent"
    return "none" if value == _NONE else hex(value & _MASK)


def _leaves(name: str, value: Any) -> Iterator[tuple[str, int]]:
    if value is msgspec.UNSET:
        return
    if value is None:
        yield name, _NONE
    elif isinstance(value, int):
        yield name, value & _MASK
    elif isinstance(value, str):
        yield name, xxhash.xxh3_64_intdigest(value.encode())
    elif isinstance(value, bytes):
        yield from _bytes(name, value)
    elif isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            yield from _leaves(f"{name}.{field}" if name else field, getattr(value, field))
    else:
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, each in items:
            yield from _leaves(f"{name}[{key}]" if name else str(key), each)


def _bytes(name: str, data: bytes) -> Iterator[tuple[str, int]]:
    yield f"{name}.length", len(data)
    if len(data) > _CUT_UP:
        yield name, xxhash.xxh3_64_intdigest(data)
        return
    for at in range(0, len(data), _WORD):
        yield f"{name}[{at}:{at + _WORD}]", int.from_bytes(data[at : at + _WORD], "little")


@cache
def _place(name: str) -> int:
    return xxhash.xxh3_64_intdigest(name.encode()) % MAX_PLACE + 1
