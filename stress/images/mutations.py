"""What is done to a sound file: a few changes that its format gives a meaning to."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from stress.images.samples import BASE, Sample, bomb, gzipped, zbooted

_VALUES: Final = (
    *(0, 1, 2, 3, 4, 7, 8, 9, 16, 23, 24, 55, 56, 57, 63, 64, 65, 255, 256, 4095, 4096, 65535),
    *(BASE - 1, BASE, BASE + 1, BASE + (16 << 20), 1 << 30, (1 << 30) + 1, (1 << 31) - 1, 1 << 31),
    *((1 << 32) - 1, 1 << 32, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - BASE),
)
"""Where readers go wrong: sizes of structures, and the ends of numbers."""

_BOMB: Final = 100
"""One file in so many is a bomb: a gibibyte takes a second to unpack."""

Change = Callable[[bytearray, Sample, random.Random], str]


def mutate(sample: Sample, rng: random.Random) -> tuple[bytes, str]:
    """Another file, and what was done."""
    if sample.role in ("kernel", "bios") and not rng.randrange(_BOMB):
        size, sized = rng.choice((1 << 30, 6 << 30)), rng.random() < 0.5
        return bomb(
            size, sized=sized
        ), f"a bomb of {size:,} bytes, its size {'' if sized else 'not '}declared"
    data, done = bytearray(sample.data), []
    for _ in range(rng.choice((1, 1, 2, 3, 6))):
        done.append(rng.choice(_CHANGES)(data, sample, rng))
    found = bytes(data)
    for wrap in _wrappings(sample, rng):
        found = wrap(found)
        done.append(wrap.__name__)
    return found, ", ".join(done)


def _wrappings(sample: Sample, rng: random.Random) -> list[Callable[[bytes], bytes]]:
    """So that what is wrong is inside checksums that are right."""
    if sample.role not in ("kernel", "bios") or rng.random() < 0.5:
        return []
    depth = rng.choice((1, 1, 1, 2, 4, 5, 50))
    return [rng.choice((gzipped, zbooted)) for _ in range(depth)]


def _set(data: bytearray, sample: Sample, rng: random.Random) -> str:
    field = rng.choice(sample.fields)
    value = rng.choice((*_VALUES, len(data), len(data) - field.offset, rng.getrandbits(64)))
    field.put(data, value)
    return f"{field.offset:#x}={value:#x}"


def _add(data: bytearray, sample: Sample, rng: random.Random) -> str:
    field = rng.choice(sample.fields)
    by = rng.choice((-8, -2, -1, 1, 2, 8, 1 << 12))
    field.put(data, field.get(data) + by)
    return f"{field.offset:#x}+={by}"


def _copy(data: bytearray, sample: Sample, rng: random.Random) -> str:
    source, target = rng.choice(sample.fields), rng.choice(sample.fields)
    target.put(data, source.get(data))
    return f"{target.offset:#x}=[{source.offset:#x}]"


def _flip(data: bytearray, sample: Sample, rng: random.Random) -> str:
    at = rng.randrange(len(data) or 1)
    if data:
        data[at % len(data)] ^= 1 << rng.randrange(8)
    return f"flip {at:#x}"


def _cut(data: bytearray, sample: Sample, rng: random.Random) -> str:
    end = rng.randrange(len(data) + 1)
    del data[end:]
    return f"cut at {end:#x}"


def _append(data: bytearray, sample: Sample, rng: random.Random) -> str:
    more = rng.choice((b"\0" * 512, sample.data, rng.randbytes(64)))
    data += more
    return f"append {len(more)}"


def _repeat(data: bytearray, sample: Sample, rng: random.Random) -> str:
    """A part of it again and again: nodes in nodes, lines, blocks."""
    at, size = rng.randrange(len(data) + 1) & ~3, 4 * rng.randrange(1, 16)
    times = rng.choice((2, 10, 5000))
    data[at:at] = data[at : at + size] * times
    return f"repeat {size} at {at:#x} {times} times"


def _remove(data: bytearray, sample: Sample, rng: random.Random) -> str:
    at, size = rng.randrange(len(data) + 1) & ~3, 4 * rng.randrange(1, 16)
    del data[at : at + size]
    return f"remove {size} at {at:#x}"


_CHANGES: Final[tuple[Change, ...]] = (
    *(_set, _set, _set, _set, _add, _add, _copy, _flip, _cut, _append, _repeat, _remove),
)
