"""Zicbom and Zicboz: who may, what is zeroed, and how a refusal is reported."""

from __future__ import annotations

import pytest

from fakes.hart import FakeHart, GuestTrap
from instructions import encode
from lockstep.isa.privileged import ENVCFG_ADUE, MACHINE, SUPERVISOR, USER
from lockstep.isa.state import SVADE

ENABLES = {"cbo.inval": 3 << 4, "cbo.clean": 1 << 6, "cbo.flush": 1 << 6, "cbo.zero": 1 << 7}
MANAGEMENT = ["cbo.inval", "cbo.clean", "cbo.flush"]
ALL = 0xF0
READ, WRITE = 1, 2  # in a PMP entry


def hart_in(priv: int, *, pmp: int = READ | WRITE) -> FakeHart:
    """A hart whose x11 points into a block, under one PMP entry for all of memory."""
    hart = FakeHart()
    hart.priv = priv
    hart.menvcfg = hart.senvcfg = ALL
    hart.pmpcfg0, hart.pmpaddr[0] = 0x18 | pmp, (1 << 54) - 1
    hart.x[11] = 0x1077
    return hart


def trap_of(hart: FakeHart, word: int) -> tuple[int, int] | None:
    try:
        hart.execute(word)
    except GuestTrap as trap:
        return trap.cause, trap.tval
    return None


@pytest.mark.parametrize("name", ENABLES)
@pytest.mark.parametrize("priv", [MACHINE, SUPERVISOR, USER])
def test_enables(name: str, priv: int) -> None:
    """menvcfg governs S and U, senvcfg U too (CMO 2.5.1)."""
    word = encode(name, rs1=11)
    for register, matters in (("menvcfg", priv != MACHINE), ("senvcfg", priv == USER)):
        hart = hart_in(priv)
        setattr(hart, register, ALL & ~ENABLES[name])
        assert trap_of(hart, word) == ((2, word) if matters else None)
        setattr(hart, register, ENABLES[name])
        assert trap_of(hart, word) is None


def test_inval_may_mean_flush_or_inval() -> None:
    for cbie in (1, 3):
        hart = hart_in(SUPERVISOR)
        hart.menvcfg = cbie << 4
        assert trap_of(hart, encode("cbo.inval", rs1=11)) is None


def test_zero_clears_the_block_around_the_address() -> None:
    hart = hart_in(SUPERVISOR)
    for addr in range(0x1000, 0x1100):
        hart.poke(addr, 1, 0xFF)
    hart.execute(encode("cbo.zero", rs1=11))
    assert [hart.peek(a, 1) == 0 for a in range(0x1000, 0x1100)] == (
        [False] * 64 + [True] * 64 + [False] * 128
    )


@pytest.mark.parametrize("name", MANAGEMENT)
@pytest.mark.parametrize("pmp", [READ, READ | WRITE])
def test_management_needs_one_kind_of_access(name: str, pmp: int) -> None:
    hart = hart_in(SUPERVISOR, pmp=pmp)
    assert trap_of(hart, encode(name, rs1=11)) is None
    assert hart.stores == []


@pytest.mark.parametrize("name", MANAGEMENT)
def test_management_reports_protection_as_a_stores_access_fault(name: str) -> None:
    assert trap_of(hart_in(SUPERVISOR, pmp=0), encode(name, rs1=11)) == (7, 0x1077)


# One gigapage per test: Sv39 with its root table at 0x4000, entry 0 maps the first GiB.
V, R, W, X, U, A, D = (1 << n for n in (0, 1, 2, 3, 4, 6, 7))


@pytest.mark.parametrize("name", MANAGEMENT)
@pytest.mark.parametrize(
    ("pte", "expected"),
    [
        (V | R | A, None),
        (V | R | W | A, None),
        (V | R | W | A | D, None),
        (V | R | W | D, (15, 0x1077)),
        (V | X | A, (15, 0x1077)),
        (V | R | W | A | D | U, (15, 0x1077)),
        (0, (15, 0x1077)),
    ],
)
def test_management_reports_translation_as_a_stores_page_fault(
    name: str, pte: int, expected: tuple[int, int] | None
) -> None:
    hart = hart_in(SUPERVISOR)
    hart.satp = 8 << 60 | 4
    hart.poke(0x4000, 8, pte)
    assert trap_of(hart, encode(name, rs1=11)) == expected


@pytest.mark.parametrize("name", MANAGEMENT)
def test_management_marks_a_page_accessed_and_not_dirty(name: str) -> None:
    """CMO 2.5.2: it "also checks the accessed bit and may [...] set the bit as required"."""
    hart = hart_in(SUPERVISOR)
    hart.menvcfg = ALL | ENVCFG_ADUE
    hart.satp = 8 << 60 | 4
    hart.poke(0x4000, 8, V | R | W)
    assert trap_of(hart, encode(name, rs1=11)) is None
    assert hart.peek(0x4000, 8) == V | R | W | A


@pytest.mark.parametrize("name", MANAGEMENT)
def test_management_asks_whether_anything_is_there(name: str) -> None:
    """The block that translation leads to; a board from before did not ask."""
    hart = hart_in(SUPERVISOR)
    hart.execute(encode(name, rs1=11))
    assert hart.notes == ["block 0x1040"]
    hart.features = SVADE
    hart.execute(encode(name, rs1=11))
    assert hart.notes == ["block 0x1040"]


def test_zeroing_marks_a_page_dirty() -> None:
    """As a store."""
    hart = hart_in(SUPERVISOR)
    hart.menvcfg = ALL | ENVCFG_ADUE
    hart.satp = 8 << 60 | 4
    hart.poke(0x4000, 8, V | R | W)
    assert trap_of(hart, encode("cbo.zero", rs1=11)) is None
    assert hart.peek(0x4000, 8) == V | R | W | A | D


@pytest.mark.parametrize("name", MANAGEMENT)
def test_protection_of_a_readable_page_is_an_access_fault(name: str) -> None:
    """Translation permits the load, so what refuses is protection (CMO 2.5.2)."""
    hart = hart_in(SUPERVISOR)
    hart.satp = 8 << 60 | 4
    hart.poke(0x4000, 8, V | R | A)
    # Entry 0 takes the first 8 KiB away; entry 1 leaves the page table readable.
    hart.pmpcfg0 = 0x18 | (0x18 | READ) << 8
    hart.pmpaddr[0], hart.pmpaddr[1] = 0x3FF, (1 << 54) - 1
    assert trap_of(hart, encode(name, rs1=11)) == (7, 0x1077)
