"""The hashes of pages: a function of memory alone, and the same whichever engine computes them."""

from __future__ import annotations

import random

import pytest
import xxhash

from fakes.engines import ENGINES, NoBus, make_engine
from lockstep.cpu.layout import PAGE
from lockstep.cpu.memory import Ram
from lockstep.cpu.pagehash import PageHashes, page_hash

BASE = 0x8000_0000
PAGES = 1 << 18
"""A GiB, of which little is touched: seeds of more than 16 bits, and sums of more than 64."""


@pytest.fixture(params=[*ENGINES, "no engine"])
def ram(request: pytest.FixtureRequest) -> Ram:
    ram = Ram(BASE, PAGES * PAGE)
    if request.param != "no engine":
        ram.cpu = make_engine(request.param, 1, ram, NoBus(), 0)
    return ram


def contents(rng: random.Random) -> bytes:
    """A page: of anything, of zeros, or of a single byte that is none, wherever that is."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.randbytes(PAGE)
    if kind == 1:
        return bytes(PAGE)
    if kind == 2:
        return bytes([rng.randrange(1, 256)] * PAGE)
    page = bytearray(PAGE)
    page[rng.randrange(PAGE)] = rng.randrange(1, 256)
    return bytes(page)


def test_every_page_has_the_hash_of_the_library_and_the_sums_are_right(ram: Ram) -> None:
    """Written once or more, with looks in between; pages become zero, and stop being."""
    rng = random.Random(7)
    numbers = [0, 1, PAGES - 1, *rng.sample(range(PAGES), 60)]
    hashes, now = PageHashes(PAGES), dict[int, bytes]()
    for _ in range(6):
        for number in rng.sample(numbers, 30):
            now[number] = contents(rng)
            ram.write(BASE + number * PAGE, now[number])
        ram.rehash(hashes)
        ram.clear_dirty()
        expected = {
            number: xxhash.xxh3_128_intdigest(content, number)
            for number, content in now.items()
            if any(content)
        }
        assert hashes.touched() == expected
        total = 0
        for each in expected.values():
            total ^= each
        assert hashes.total == total
        for power, moment in enumerate(hashes.moments()):
            leaves = ((number + 1, each % 2**64) for number, each in expected.items())
            assert moment == sum(leaf * place**power for place, leaf in leaves)


def test_only_dirty_pages_are_read(ram: Ram) -> None:
    """What is written behind the memory's back is found when the page is written to."""
    hashes = PageHashes(PAGES)
    ram.view[5 * PAGE] = 1
    ram.rehash(hashes)
    assert hashes.total == 0
    ram.write(BASE + 5 * PAGE + 7, b"\0")
    ram.rehash(hashes)
    assert hashes.touched() == {5: page_hash(5, b"\1" + bytes(PAGE - 1))}


@pytest.mark.parametrize("at", [0, 7, 8, 63, 64, 1023, 1024, PAGE - 65, PAGE - 64, PAGE - 1])
def test_every_byte_counts(ram: Ram, at: int) -> None:
    """Of the first word and others, of all stripes and blocks, the last being a special case."""
    hashes = PageHashes(PAGES)
    for value in (0x80, 0x01):
        ram.write(BASE + 77 * PAGE + at, bytes([value]))
        ram.rehash(hashes)
        page = bytearray(PAGE)
        page[at] = value
        assert hashes[77] == xxhash.xxh3_128_intdigest(bytes(page), 77)


def test_a_ram_of_few_pages(ram: Ram) -> None:
    """Their number is no multiple of anything."""
    small = Ram(BASE, 3 * PAGE)
    small.follow(ram._follower)
    small.write(BASE, bytes(range(1, 256)))
    small.write(BASE + 3 * PAGE - 1, b"x")
    hashes = PageHashes(3)
    small.rehash(hashes)
    assert hashes.touched().keys() == {0, 2}
