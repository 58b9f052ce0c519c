"""A code that finds errors: 33 bytes of a state that say which of its leaves came out wrong.

A part of the machine is taken apart into leaves, each with a place (a number of its own) and a
value of 64 bits. Its syndromes are the sums of value * place**k for k = 0 to 3, modulo a prime: the
check symbols of a Reed-Solomon code. A recording keeps them. If up to two leaves differ later, the
syndromes of now and then tell the places of both and what their values should have been, exactly.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

PRIME: Final = 2**64 + 13
"""The least prime above every value, so that each value is itself in this field."""

MAX_PLACE: Final = 2**32 - 1

_SYMBOLS: Final = 4
_SYMBOL_BITS: Final = 65


def moments(values: Iterable[tuple[int, int]]) -> list[int]:
    """The sums of value * place**k for k = 0 to 3, over (place, value)."""
    plain = linear = square = cube = 0
    for place, value in values:
        plain += value
        linear += (once := value * place)
        square += (twice := once * place)
        cube += twice * place
    return [plain, linear, square, cube]


def pack(sums: Sequence[int]) -> bytes:
    """The syndromes, of four such sums; as short as can be."""
    packed = sum(each % PRIME << k * _SYMBOL_BITS for k, each in enumerate(sums))
    return packed.to_bytes((packed.bit_length() + 7) // 8, "big")


def syndrome(leaves: Mapping[int, int]) -> bytes:
    """The syndromes of values by place, which is from 1 to MAX_PLACE."""
    return pack(moments(leaves.items()))


def errors(expected: bytes, actual: bytes, places: Iterable[int]) -> dict[int, int]:
    """Which of `places` differ, each with how much too high its value is, modulo PRIME.

    Empty if nothing differs, or more than two do; then nothing can be said.
    """
    d = [(a - e) % PRIME for a, e in zip(_symbols(actual), _symbols(expected), strict=True)]
    one_error = (d[1] * d[1] - d[0] * d[2]) % PRIME == 0
    if one_error:
        if not d[0]:
            return {}
        place = d[1] * pow(d[0], -1, PRIME) % PRIME
        right = d[2] * place % PRIME == d[3] and place in places
        return {place: d[0]} if right else {}
    return _two_errors(d, places)


def corrected(value: int, excess: int) -> int:
    """What a value should have been."""
    return (value - excess) % PRIME


def _two_errors(d: list[int], places: Iterable[int]) -> dict[int, int]:
    """Peterson's algorithm: the places are the roots of x*x - total*x + product."""
    scale = pow(d[1] * d[1] - d[0] * d[2], -1, PRIME)
    total = (d[1] * d[2] - d[0] * d[3]) * scale % PRIME
    product = (d[2] * d[2] - d[1] * d[3]) * scale % PRIME
    roots = [place for place in places if (place * (place - total) + product) % PRIME == 0]
    if len(roots) != 2:
        return {}
    first, second = roots
    excess = (d[1] - first * d[0]) * pow(second - first, -1, PRIME) % PRIME
    return {first: (d[0] - excess) % PRIME, second: excess}


def _symbols(packed: bytes) -> list[int]:
    number = int.from_bytes(packed, "big")
    mask = (1 << _SYMBOL_BITS) - 1
    return [number >> k * _SYMBOL_BITS & mask for k in range(_SYMBOLS)]
