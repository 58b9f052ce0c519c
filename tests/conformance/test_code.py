"""Code that changes, code at the end of a page, and fetches that fail half-way."""

from __future__ import annotations

from itertools import product

from conformance import layout as at
from conformance.cases import Case, Code, S, Value
from conformance.compare import agree, engines_agree
from instructions import encode

POINTER, WORD, COUNT, SUM = 10, 11, 12, 13
HALF = (1 << 16) - 1


def stores_into_itself(size: int, distance: int, *, fenced: bool) -> Case:
    """A loop of two rounds that, in the first one, changes an instruction after the store."""
    new = encode("addi", rd=SUM, rs1=SUM, imm=16)
    old = encode("addi", rd=SUM, rs1=SUM, imm=1)
    fence = encode("fence.i") if fenced else encode("addi")
    # A compressed instruction is changed as such: its neighbour stays.
    if size == 2:
        new, old = encode("c.addi", rd=SUM, imm=16), encode("c.addi", rd=SUM, imm=1)
    store = encode({2: "sh", 4: "sw", 8: "sd"}[size], rs1=POINTER, rs2=WORD)
    body = [store, fence, *[encode("addi")] * distance, old]
    length = 4 * (2 + distance) + (2 if size == 2 else 4)
    body += [encode("c.nop")] if size == 2 else []
    length += 2 if size == 2 else 0
    body += [encode("addi", rd=COUNT, rs1=COUNT, imm=-1)]
    body += [encode("bne", rs1=COUNT, imm=-(length + 4))]
    word = new | body[-2] << 32 if size == 8 else new
    x: dict[int, Value] = {POINTER: Code(8 + 4 * distance), WORD: word, COUNT: 2, SUM: 0}
    return Case(body, x=x)


def test_code_that_changes_itself() -> None:
    """FENCE.I makes the change visible."""
    agree([stores_into_itself(*how, fenced=True) for how in product((2, 4, 8), range(6))])


def test_code_that_changes_itself_unfenced() -> None:
    """Here fetches always see memory. QEMU finishes the translated block first, as it may."""
    engines_agree([stores_into_itself(*how, fenced=False) for how in product((2, 4, 8), range(6))])


def across_pages(words: list[int], before: int, mode: int = 3) -> Case:
    """Instructions that begin `before` bytes before the end of a page."""
    data = b"".join(w.to_bytes(4 if w & 3 == 3 else 2, "little") for w in words)
    start = at.FRAMES + 0x1000 - before
    base = start & -8
    data = bytes(start - base) + data
    data += bytes(-len(data) % 8)
    pokes = [(base + i, int.from_bytes(data[i : i + 8], "little")) for i in range(0, len(data), 8)]
    return Case([], entry=start, pokes=pokes, mode=mode)


def test_code_across_the_end_of_a_page() -> None:
    """Instructions of both lengths at every halfword around it."""
    add, short = encode("addi", rd=SUM, rs1=SUM, imm=3), encode("c.addi", rd=SUM, imm=1)
    words = [add, short, add, short, short, add, encode("ecall")]
    agree([across_pages(words, before) for before in range(0, 26, 2)])


def half_fetched(second: int, low: int) -> Case:
    """A 32-bit instruction whose upper half is on a page that refuses."""
    root = at.TABLES
    flags = 0xCF
    word = encode("addi", rd=SUM, rs1=SUM, imm=3)
    pokes = [
        (root + 8 * 2, at.RAM >> 2 | flags),
        (root + 8 * 4, (root + 0x1000) >> 2 | 1),
        (root + 0x1000, (root + 0x2000) >> 2 | 1),
        (root + 0x2000, at.FRAMES >> 2 | low),
        (root + 0x2008, (at.FRAMES + 0x3000) >> 2 | second),
        (at.FRAMES + 0xFF8, (word & HALF) << 48),
        (at.FRAMES + 0x3000, encode("ecall") << 16 | word >> 16),
    ]
    csrs: dict[str, Value] = {"satp": 8 << 60 | root >> 12}
    return Case([], entry=(4 << 30) + 0xFFE, pokes=pokes, csrs=csrs, mode=S)


def test_fetches_that_fail_half_way() -> None:
    """mepc is where the instruction begins; mtval is the half that could not be had."""
    allowed, refusals = 0xCF, (0, 0xC7, 0xDF, 0xCF)
    cases = [half_fetched(second, allowed) for second in refusals]
    cases += [half_fetched(allowed, low) for low in refusals]
    agree(cases)
