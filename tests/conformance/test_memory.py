"""Loads, stores and atomics where it matters: page ends, the ends of memory, alignment."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from conformance import layout as at
from conformance.cases import Case
from conformance.compare import agree
from conformance.steps import LOADS, STORES
from instructions import encode, named
from lockstep.isa.table import table

PAGE_END = at.FRAMES + 0x1000
# Neither QEMU's board nor ours has anything there.
NOWHERE = (0, 1 << 27, at.RAM_END, 0x9000_0000, 1 << 40, 1 << 55, 1 << 56, 1 << 63, -8)
POINTER, VALUE, RESULT = 10, 11, 12

ATOMICS = [one.name for one in table() if one.ext == "A"]
FULL_LENGTH = [name for name in (*LOADS, *STORES) if named(name).length == 4]


def access(name: str, **more: int) -> int:
    """A load, store or atomic of the address in POINTER."""
    one = named(name)
    names = {operand.name for operand in one.encoding.operands}
    registers = {"rd": RESULT, "rs2": VALUE} if "rs2" in names else {"rd": RESULT}
    return encode(name, rs1=POINTER, **{k: v for k, v in registers.items() if k in names}, **more)


def at_address(code: list[int], address: int, near: int = 0) -> Case:
    """The code with POINTER at `address`, and memory around `near` known and compared."""
    pokes = [(near + 8 * i, 0x0102_0304_0506_0708 * (i + 3)) for i in range(-2, 2)] if near else []
    x = {POINTER: address, VALUE: 0xF1E2_D3C4_B5A6_9788}
    return Case(code, x=x, f={VALUE: 0x8192_A3B4_C5D6_E7F8}, pokes=pokes, full=True)


def test_accesses_across_the_end_of_a_page() -> None:
    """Every load and store at every offset around a page boundary."""
    offsets = range(-8, 8)
    cases = [
        at_address([access(name, imm=offset)], PAGE_END, PAGE_END)
        for name, offset in product(FULL_LENGTH, offsets)
    ]
    agree(cases)


def test_accesses_outside_memory() -> None:
    """Nothing there: an access fault that names the address, also if a part is there."""
    places = [*NOWHERE, *range(at.RAM_END - 8, at.RAM_END)]
    cases = [at_address([access(name)], place) for name, place in product(FULL_LENGTH, places)]
    aligned = [place for place in NOWHERE if place % 8 == 0]
    cases += [at_address([access(name)], place) for name, place in product(ATOMICS, aligned)]
    cases += [at_address([encode("jalr", rd=1, rs1=POINTER)], place) for place in NOWHERE]
    agree(cases)


def test_atomics_at_every_alignment() -> None:
    """Aligned ones work; others trap before they do anything."""
    cases = [
        at_address([access(name)], PAGE_END - 8 + offset, PAGE_END)
        for name, offset in product(ATOMICS, range(16))
    ]
    agree(cases)


def reservations() -> Iterator[list[int]]:
    """Load-reserved, something in between, and store-conditional."""
    elsewhere = encode("addi", rd=POINTER, rs1=POINTER, imm=8)
    between: list[list[int]] = [
        [],
        [elsewhere],
        [encode("lw", rd=13, rs1=POINTER)],
        [encode("sd", rs1=POINTER, rs2=VALUE, imm=64)],
        [encode("addi", rd=VALUE, rs1=VALUE, imm=1)],
        [elsewhere, access("lr.w")],
        [access("sc.w")],
        [access("sc.d")],
    ]
    for width, some in product("wd", between):
        load, store = access(f"lr.{width}"), encode(f"sc.{width}", rd=14, rs1=POINTER, rs2=VALUE)
        yield [load, *some, store]
        yield [store, *some, store]


def test_load_reserved_and_store_conditional() -> None:
    """SC succeeds once, after LR of the same address."""
    agree([at_address(code, PAGE_END - 16, PAGE_END) for code in reservations()])
