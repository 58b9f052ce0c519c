"""What can happen to the files of a recording: all of it random, none of it aimed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

Files = dict[str, bytearray]
"""The contents of a recording's files by suffix: "", and perhaps "-wal" and "-shm"."""

PAGE: Final = 1024


def damage(files: Files, rng: random.Random) -> list[str]:
    """Do one to three things to them; what was done."""
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        suffix = rng.choice(sorted(files))
        mutation = rng.choice(MUTATIONS)
        if files[suffix]:
            files[suffix] = bytearray(mutation(files[suffix], rng))
            done.append(f"{mutation.__name__}({suffix or 'file'})")
    return done


def flip_bits(data: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def overwrite(data: bytearray, rng: random.Random) -> bytearray:
    at, size = rng.randrange(len(data)), rng.choice((1, 4, 16, 300))
    data[at : at + size] = rng.randbytes(len(data[at : at + size]))
    return data


def zero_page(data: bytearray, rng: random.Random) -> bytearray:
    at = rng.randrange(len(data)) // PAGE * PAGE
    data[at : at + PAGE] = bytes(len(data[at : at + PAGE]))
    return data


def swap_pages(data: bytearray, rng: random.Random) -> bytearray:
    one, two = (rng.randrange(max(1, len(data) // PAGE)) * PAGE for _ in range(2))
    data[one : one + PAGE], data[two : two + PAGE] = data[two : two + PAGE], data[one : one + PAGE]
    return data


def truncate(data: bytearray, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data))]


def truncate_to_a_page(data: bytearray, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data)) // PAGE * PAGE]


def insert(data: bytearray, rng: random.Random) -> bytearray:
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.choice((1, 7, PAGE))) + data[at:]


def remove(data: bytearray, rng: random.Random) -> bytearray:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice((1, 7, PAGE)) :]


def repeat(data: bytearray, rng: random.Random) -> bytearray:
    at = rng.randrange(len(data))
    return data[:at] + data[max(0, at - PAGE) :]


def mangle_header(data: bytearray, rng: random.Random) -> bytearray:
    data[rng.randrange(min(100, len(data)))] = rng.randrange(256)
    return data


def append(data: bytearray, rng: random.Random) -> bytearray:
    return data + rng.randbytes(rng.choice((1, 100, PAGE)))


def mangle_number(data: bytearray, rng: random.Random) -> bytearray:
    """Lengths, offsets and counts like to be large, or negative."""
    at = rng.randrange(len(data))
    number = rng.choice((b"\xff" * 8, b"\x7f" + b"\xff" * 7, bytes(8), b"\x80" + bytes(7)))
    size = rng.choice((1, 2, 4, 8))
    data[at : at + size] = number[: len(data[at : at + size])]
    return data


Mutation = Callable[[bytearray, random.Random], bytearray]

MUTATIONS: Final[tuple[Mutation, ...]] = (
    flip_bits, overwrite, zero_page, swap_pages, truncate, truncate_to_a_page, insert, remove,
    repeat, mangle_header, append, mangle_number,
)  # fmt: skip
