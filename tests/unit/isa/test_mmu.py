"""Page walks: every step of Priv. 4.3.2 that can say no, and the three depths."""

from __future__ import annotations

import pytest

from fakes.hart import FakeHart
from lockstep.isa.mmu import effective_priv, translate
from lockstep.isa.privileged import (
    ENVCFG_ADUE,
    FETCH,
    INSTRUCTION_ACCESS_FAULT,
    INSTRUCTION_PAGE_FAULT,
    LOAD,
    LOAD_ACCESS_FAULT,
    LOAD_PAGE_FAULT,
    MACHINE,
    STATUS_MPP,
    STATUS_MPRV,
    STATUS_MXR,
    STATUS_SUM,
    STORE,
    STORE_ACCESS_FAULT,
    STORE_PAGE_FAULT,
    SUPERVISOR,
    USER,
    Access,
)
from lockstep.isa.values import Bits

V, R, W, X, U, G, A, D = (1 << bit for bit in range(8))
RWX = R | W | X
FULL = V | RWX | A | D
SV39, SV48, SV57 = 8, 9, 10
ROOT = 0x8010_0000
PAGE = 0x8765_4000
VADDR = 0x12_3456_7890
MEMORY_END = 1 << 40


class PagedHart(FakeHart):
    """A hart in S-mode with paging on, PMP open, and main memory below MEMORY_END."""

    def __init__(self, mode: int = SV39, priv: int = SUPERVISOR) -> None:
        super().__init__()
        self.priv = priv
        self.satp = mode << 60 | 0xABCD << 44 | ROOT >> 12
        self.pmpcfg0 = 0x1F
        self.pmpaddr[0] = (1 << 54) - 1

    def phys_load(self, addr: Bits, size: int) -> tuple[Bits, bool]:
        return self.load(addr, size), addr.value < MEMORY_END

    def map(self, vaddr: int, pte: int, level: int = 0) -> list[int]:
        """Enter `pte` for vaddr at `level`, with tables above it; returns where entries are."""
        levels = (self.satp.value >> 60) - 5
        table, places = ROOT, []
        for depth in range(levels - 1, level - 1, -1):
            place = table + (vaddr >> 12 + 9 * depth & 511) * 8
            places.append(place)
            table = ROOT + 0x1000 * (levels - depth)
            self.poke(place, 8, table >> 12 << 10 | V)
        self.poke(places[-1], 8, pte)
        return places


def leaf(paddr: int, flags: int) -> int:
    return paddr >> 12 << 10 | flags


def ask(hart: FakeHart, vaddr: int, access: Access) -> tuple[int, int]:
    paddr, cause, _ = translate(hart, Bits(64, vaddr), Bits(64, 1), access)
    return int(paddr), int(cause)


def cause_of(hart: FakeHart, access: Access, vaddr: int = VADDR) -> int:
    return ask(hart, vaddr, access)[1]


@pytest.mark.parametrize("mode", [SV39, SV48, SV57])
def test_every_level_may_map(mode: int) -> None:
    """Pages and superpages of all sizes; each entry read is reported."""
    for level in range(mode - 5):
        hart = PagedHart(mode)
        size = 1 << 12 + 9 * level
        base = 3 * size if level else PAGE
        places = hart.map(VADDR, leaf(base, FULL), level)
        assert ask(hart, VADDR, LOAD) == (base + VADDR % size, 0)
        assert hart.notes == [f"page table {place:#x}" for place in places]


@pytest.mark.parametrize(("mode", "bits"), [(SV39, 39), (SV48, 48), (SV57, 57)])
def test_addresses_must_be_canonical(mode: int, bits: int) -> None:
    """Bits above the virtual address repeat its top bit, else it is a page fault."""
    hart = PagedHart(mode)
    low, high = (1 << bits - 1) - 1, (1 << 64) - (1 << bits - 1)
    hart.map(low, leaf(PAGE, FULL))
    assert ask(hart, low, LOAD) == (PAGE + 0xFFF, 0)
    hart.map(high, leaf(PAGE, FULL))
    assert ask(hart, high, LOAD) == (PAGE, 0)
    assert cause_of(hart, LOAD, low + 1) == LOAD_PAGE_FAULT
    assert cause_of(hart, LOAD, high - 1) == LOAD_PAGE_FAULT
    assert cause_of(hart, LOAD, low | 1 << 63) == LOAD_PAGE_FAULT


@pytest.mark.parametrize(
    ("access", "page", "physical"),
    [
        (FETCH, INSTRUCTION_PAGE_FAULT, INSTRUCTION_ACCESS_FAULT),
        (LOAD, LOAD_PAGE_FAULT, LOAD_ACCESS_FAULT),
        (STORE, STORE_PAGE_FAULT, STORE_ACCESS_FAULT),
    ],
)
def test_faults_name_the_original_access(access: Access, page: int, physical: int) -> None:
    """Page faults by kind; a table outside memory or under PMP is an access fault by kind."""
    hart = PagedHart()
    assert cause_of(hart, access) == page
    hart.map(VADDR, leaf(MEMORY_END, V), level=1)
    assert cause_of(hart, access) == physical
    hart = PagedHart()
    hart.map(VADDR, leaf(PAGE, FULL))
    hart.pmpaddr[0] = ROOT + 0x2000 >> 2  # the last table is above the top of range
    hart.pmpcfg0 = 0x0F
    assert cause_of(hart, access) == physical


@pytest.mark.parametrize(
    "pte",
    [
        leaf(PAGE, FULL & ~V),
        leaf(PAGE, FULL & ~R),
        leaf(PAGE, FULL & ~(R | X)),
        leaf(PAGE, FULL & ~A),
        leaf(PAGE, FULL) | 1 << 63,
        leaf(PAGE, FULL) | 1 << 61,
        leaf(PAGE, FULL) | 1 << 54,
        leaf(PAGE, V),
    ],
)
def test_bad_leaves_fault(pte: int) -> None:
    """V, W without R, A, N, PBMT, reserved bits, and a pointer at the last level."""
    hart = PagedHart()
    hart.map(VADDR, pte)
    assert cause_of(hart, LOAD) == LOAD_PAGE_FAULT


@pytest.mark.parametrize("flags", [D, A, U])
def test_pointers_must_keep_reserved_bits_clear(flags: int) -> None:
    """D, A and U are reserved where the entry points to a table (Priv. 4.4.1)."""
    hart = PagedHart()
    places = hart.map(VADDR, leaf(PAGE, FULL))
    hart.poke(places[0], 8, hart.peek(places[0], 8) | G)
    assert cause_of(hart, LOAD) == 0
    hart.poke(places[0], 8, hart.peek(places[0], 8) | flags)
    assert cause_of(hart, LOAD) == LOAD_PAGE_FAULT


@pytest.mark.parametrize("level", [1, 2])
def test_superpages_must_be_aligned(level: int) -> None:
    """The frame number's low part must be zero."""
    hart = PagedHart()
    hart.map(VADDR, leaf(0x1000 << 9 * (level - 1), FULL), level)
    assert cause_of(hart, LOAD) == LOAD_PAGE_FAULT


def test_dirty_matters_to_stores_only() -> None:
    """Svade: while menvcfg.ADUE is clear a page fault asks software to set A or D."""
    hart = PagedHart()
    hart.map(VADDR, leaf(PAGE, FULL & ~D))
    assert [cause_of(hart, a) for a in (FETCH, LOAD, STORE)] == [0, 0, STORE_PAGE_FAULT]


@pytest.mark.parametrize(("access", "set_bits"), [(FETCH, A), (LOAD, A), (STORE, A | D)])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_walks_set_accessed_and_dirty(access: Access, set_bits: int, level: int) -> None:
    """Svadu: in the leaf alone, and only what the access needs; a second walk writes nothing."""
    hart = PagedHart()
    hart.menvcfg = ENVCFG_ADUE
    entry = leaf(3 << 12 + 9 * level, FULL & ~(A | D))
    place = hart.map(VADDR, entry, level)[-1]
    for _ in range(2):
        assert cause_of(hart, access) == 0
        assert hart.peek(place, 8) == entry | set_bits
    assert hart.notes.count(f"pte {place:#x}") == 1


@pytest.mark.parametrize(("access", "entry"), [
    (LOAD, leaf(PAGE, V | X)),
    (STORE, leaf(PAGE, V | R | X)),
    (FETCH, leaf(PAGE, V | R | W)),
    (LOAD, leaf(PAGE, V | RWX | U)),
    (LOAD, leaf(PAGE, V | RWX) | 1 << 63),
    (LOAD, leaf(PAGE, V | W)),
])  # fmt: skip
def test_a_refused_access_leaves_no_mark(access: Access, entry: int) -> None:
    """Step 7 comes after all others."""
    hart = PagedHart()
    hart.menvcfg = ENVCFG_ADUE
    place = hart.map(VADDR, entry)[-1]
    assert cause_of(hart, access) == access.page_fault
    assert hart.peek(place, 8) == entry


@pytest.mark.parametrize("access", [FETCH, LOAD, STORE])
def test_a_mark_that_protection_refuses_is_an_access_fault(access: Access) -> None:
    """Of the original access; the entry can be read, and has its mark it is enough."""
    hart = PagedHart()
    hart.menvcfg = ENVCFG_ADUE
    place = hart.map(VADDR, leaf(PAGE, FULL & ~(A | D)))[-1]
    hart.pmpcfg0 = 0x1F << 8 | 0x19  # entry 0: this page of tables, read-only
    hart.pmpaddr[1] = (1 << 54) - 1
    hart.pmpaddr[0] = place >> 2 & ~0x3FF | 0x1FF
    assert cause_of(hart, access) == access.access_fault
    hart.poke(place, 8, leaf(PAGE, FULL))
    assert cause_of(hart, access) == 0


@pytest.mark.parametrize("mxr", [0, STATUS_MXR])
@pytest.mark.parametrize("rights", [R, R | W, X, R | X, RWX])
def test_rights(rights: int, mxr: int) -> None:
    """R, W and X each open their kind of access; MXR makes X readable."""
    hart = PagedHart()
    hart.mstatus = mxr
    hart.map(VADDR, leaf(PAGE, V | A | D | rights))
    assert (cause_of(hart, FETCH) == 0) == bool(rights & X)
    assert (cause_of(hart, LOAD) == 0) == bool(rights & R or (rights & X and mxr))
    assert (cause_of(hart, STORE) == 0) == bool(rights & W)


@pytest.mark.parametrize("access", [FETCH, LOAD, STORE])
@pytest.mark.parametrize("sum_bit", [0, STATUS_SUM])
@pytest.mark.parametrize("priv", [USER, SUPERVISOR])
@pytest.mark.parametrize("user_page", [0, U])
def test_user_pages(access: Access, sum_bit: int, priv: int, user_page: int) -> None:
    """U needs U pages; S may use them for data while SUM is set, and never runs from them."""
    hart = PagedHart(priv=priv)
    hart.mstatus = sum_bit
    hart.map(VADDR, leaf(PAGE, FULL | user_page))
    if priv == USER:
        expected = bool(user_page)
    else:
        expected = not user_page or (bool(sum_bit) and access is not FETCH)
    assert (cause_of(hart, access) == 0) == expected


def test_bare_and_machine_mode_are_untranslated() -> None:
    """satp counts only in S and U, and MODE 0 means identity."""
    hart = PagedHart(priv=MACHINE)
    assert ask(hart, VADDR, STORE) == (VADDR, 0)
    hart = PagedHart()
    hart.satp = ROOT >> 12
    assert ask(hart, VADDR, STORE) == (VADDR, 0)


def test_mprv_lends_the_mode_of_mpp_to_data_accesses() -> None:
    """Fetches stay in M (Priv. 3.1.6.3)."""
    hart = PagedHart(priv=MACHINE)
    hart.map(VADDR, leaf(PAGE, FULL | U))
    hart.mstatus = STATUS_MPRV
    assert effective_priv(hart) == USER
    assert ask(hart, VADDR, LOAD) == (PAGE | VADDR & 0xFFF, 0)
    assert ask(hart, VADDR, FETCH) == (VADDR, 0)
    hart.mstatus = STATUS_MPRV | SUPERVISOR << 11
    assert cause_of(hart, LOAD) == LOAD_PAGE_FAULT
    hart.mstatus = STATUS_MPRV | STATUS_MPP
    assert ask(hart, VADDR, LOAD) == (VADDR, 0)


def test_protection_refuses_after_translation() -> None:
    """PMP looks at the physical address; a page it splits is not cacheable."""
    hart = PagedHart()
    hart.map(VADDR, leaf(PAGE, FULL))
    hart.pmpcfg0 = 0x1F << 8 | 0x11  # one word read-only, the rest open
    hart.pmpaddr[1] = (1 << 54) - 1
    hart.pmpaddr[0] = PAGE + 0x890 >> 2
    word = Bits(64, VADDR), Bits(64, 4)
    assert translate(hart, *word, LOAD) == (Bits(64, PAGE + 0x890), Bits(64, 0), False)
    assert translate(hart, *word, STORE)[1] == STORE_ACCESS_FAULT
    assert translate(hart, Bits(64, VADDR + 4), Bits(64, 4), STORE)[1] == 0
    hart.pmpaddr[0] = 0
    assert translate(hart, *word, STORE) == (Bits(64, PAGE + 0x890), Bits(64, 0), True)
