"""Physical memory protection, against a model that looks at one byte at a time."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from fakes.hart import FakeHart
from lockstep.isa.pmp import pmp_check, pmp_legal_config, pmp_locked
from lockstep.isa.privileged import FETCH, LOAD, MACHINE, STORE, SUPERVISOR, USER, Access
from lockstep.isa.values import Bits

OFF, TOR, NA4, NAPOT = 0, 8, 16, 24
R, W, X, L = 1, 2, 4, 0x80
ALL_OF_MEMORY = (1 << 54) - 1


def hart_with(*entries: tuple[int, int]) -> FakeHart:
    """A hart with (configuration byte, pmpaddr) entries from number 0 on."""
    hart = FakeHart()
    for i, (config, addr) in enumerate(entries):
        hart.pmpaddr[i] = addr
        if i < 8:
            hart.pmpcfg0 |= config << 8 * i
        else:
            hart.pmpcfg2 |= config << 8 * (i - 8)
    return hart


def allowed(hart: FakeHart, addr: int, size: int, access: Access, priv: int) -> bool:
    return pmp_check(hart, Bits(64, addr), size, access, Bits(64, priv))[0]


def uniform(hart: FakeHart, addr: int) -> bool:
    return pmp_check(hart, Bits(64, addr), 1, LOAD, Bits(64, SUPERVISOR))[1]


def region(entries: list[tuple[int, int]], i: int) -> range:
    config, addr = entries[i]
    mode = config & 24
    if mode == TOR:
        return range(entries[i - 1][1] * 4 if i else 0, addr * 4)
    if mode == NA4:
        return range(addr * 4, addr * 4 + 4)
    if mode == NAPOT:
        ones = 0
        while addr >> ones & 1:
            ones += 1
        size = 8 << ones
        return range(addr * 4 // size * size, addr * 4 // size * size + size)
    return range(0)


def model(entries: list[tuple[int, int]], span: range, bit: int, priv: int) -> bool:
    for i, (config, _) in enumerate(entries):
        covered = [byte in region(entries, i) for byte in (span[0], *span)]
        if any(covered):
            exempt = priv == MACHINE and not config & L
            return all(covered) and (exempt or bool(config & bit))
    return priv == MACHINE


some_entries = st.lists(
    st.tuples(
        st.builds(
            lambda mode, perm, lock: mode | perm | lock,
            st.sampled_from([OFF, TOR, NA4, NAPOT]),
            st.sampled_from([0, R, R | W, X, R | X, R | W | X]),
            st.sampled_from([0, L]),
        ),
        st.one_of(st.integers(0x400, 0x810), st.sampled_from([0x5FF, 0x7FF, 0xFFF, 0x3FF])),
    ),
    max_size=16,
)


@given(
    entries=some_entries,
    addr=st.integers(0x1000, 0x2030),
    size=st.sampled_from([1, 2, 4, 8]),
    access=st.sampled_from([FETCH, LOAD, STORE]),
    priv=st.sampled_from([USER, SUPERVISOR, MACHINE]),
)
@example([(TOR | R, 0x401)], 0x1000, 8, LOAD, SUPERVISOR)
def test_the_first_entry_that_matches_decides(
    entries: list[tuple[int, int]], addr: int, size: int, access: Access, priv: int
) -> None:
    """... and it must match every byte (Priv. 3.7.1)."""
    hart = hart_with(*entries)
    span = range(addr, addr + size)
    assert allowed(hart, addr, size, access, priv) == model(entries, span, access.permission, priv)


@given(entries=some_entries, priv=st.sampled_from([USER, MACHINE]))
def test_a_uniform_page_answers_alike_everywhere(entries: list[tuple[int, int]], priv: int) -> None:
    """If pmp_check calls a page uniform, no word of it differs from the first."""
    hart = hart_with(*entries)
    if uniform(hart, 0x1FFC):
        for addr in (0x1000, 0x1004, 0x13FC, 0x17F8, 0x1800, 0x1FF8, 0x1FFC):
            span = range(addr, addr + 4)
            assert allowed(hart, addr, 4, LOAD, priv) == model(entries, span, R, priv)
            assert allowed(hart, addr, 4, LOAD, priv) == allowed(hart, 0x1000, 4, LOAD, priv)


def test_what_makes_a_page_mixed() -> None:
    """Any entry that covers a part of it, up to the one that covers it all."""
    whole = (NAPOT | R, 0x5FF)  # 0x1000..0x1FFF
    part = (NA4 | R, 0x500)
    assert uniform(hart_with(whole, part), 0x1000)
    assert not uniform(hart_with(part, whole), 0x1000)
    assert not uniform(hart_with(part), 0x1000)
    assert not uniform(hart_with(part), 0x1400)
    assert uniform(hart_with(part), 0x2000)


def test_without_entries_only_machine_mode_has_access() -> None:
    """Entries are implemented: S and U need one that grants (Priv. 3.7.1)."""
    hart = FakeHart()
    assert allowed(hart, 0x8000_0000, 8, STORE, MACHINE)
    assert not allowed(hart, 0x8000_0000, 8, LOAD, SUPERVISOR)
    assert uniform(hart, 0x8000_0000)


def test_all_ones_match_everything() -> None:
    """pmpaddr = -1 with NAPOT, as firmware opens all of memory."""
    hart = hart_with((NAPOT | R | W | X, ALL_OF_MEMORY))
    for addr in (0, 0x8000_0000, (1 << 56) - 8, (1 << 57) - 8):
        assert allowed(hart, addr, 8, STORE, USER)
    assert uniform(hart, 0x8000_0000)


def test_the_end_of_the_address_space_matches_nothing_low() -> None:
    """The last byte's address does not wrap."""
    hart = hart_with((TOR | R, 0x400))
    assert not allowed(hart, (1 << 64) - 8, 8, LOAD, SUPERVISOR)


def test_entries_of_the_second_register_count() -> None:
    """pmpcfg2 configures entries 8 to 15."""
    hart = hart_with(*[(OFF, 0)] * 15, (NAPOT | R, 0x5FF))
    assert allowed(hart, 0x1800, 8, LOAD, USER)
    assert not allowed(hart, 0x1800, 8, STORE, USER)


def test_locks_cover_the_base_of_a_top_of_range() -> None:
    """pmpaddr[i] is locked by entry i, and by entry i+1 if that is TOR (Priv. 3.7.1)."""
    hart = hart_with((R, 1), (L | TOR, 2), (R, 3), (L | NA4, 4))
    assert [pmp_locked(hart, i) for i in range(5)] == [True, True, False, True, False]


def test_configuration_bytes_are_legalised() -> None:
    """Locked bytes stay, W without R clears, bits 5 and 6 do not exist."""
    old = Bits(64, 0x99 << 8)
    assert pmp_legal_config(FakeHart(), old, Bits(64, 0x7F_FF_1A_00_00)) == 0x1F_9F_18_99_00
