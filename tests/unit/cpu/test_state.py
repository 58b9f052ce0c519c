"""The harts' block by name."""

from __future__ import annotations

import ctypes

import msgspec
import pytest

from lockstep.cpu.layout import CLUSTER_BYTES, CLUSTER_OFFSET, HART_BYTES, HART_OFFSET, TLB_OFFSET
from lockstep.cpu.state import ClusterBlock, CpuState
from lockstep.isa.state import HART_FIELDS, PMP_ENTRIES, RESET_VALUES

ONES = (1 << 64) - 1


def test_a_field_is_the_word_that_layout_names() -> None:
    """Native code reads at the same place what was written by name."""
    block = ClusterBlock(2)
    block.warp = 77
    block.members[1].mepc = 0x1234
    where = block.address + CLUSTER_BYTES + HART_BYTES + HART_OFFSET["mepc"]
    assert ctypes.c_uint64.from_address(where).value == 0x1234
    assert ctypes.c_uint64.from_address(block.address + CLUSTER_OFFSET["warp"]).value == 77
    assert block.members[1].address == block.address + CLUSTER_BYTES + HART_BYTES
    assert block.members[1].cluster == block.address


def test_fields_and_registers_wrap() -> None:
    """They have 64 bits."""
    hart = ClusterBlock(1).members[0]
    hart.sepc = -1
    hart.x[5] = 1 << 64 | 3
    assert (hart.sepc, hart.x[5]) == (ONES, 3)


def test_x0_stays_zero_and_f0_does_not() -> None:
    hart = ClusterBlock(1).members[0]
    hart.x[0] = hart.f[0] = 9
    assert (hart.x[0], hart.f[0]) == (0, 9)


def test_a_new_block_holds_no_translation() -> None:
    """Zero would be the tag of page 0."""
    block = ClusterBlock(1)
    start = block.address + CLUSTER_BYTES + TLB_OFFSET
    assert ctypes.string_at(start, HART_BYTES - TLB_OFFSET) == b"\xff" * (HART_BYTES - TLB_OFFSET)


def test_reset_is_power_on() -> None:
    """Nothing but RESET_VALUES and the number is left."""
    block = ClusterBlock(2)
    hart = block.members[1]
    for name in HART_FIELDS:
        setattr(hart, name, 0x5A)
    hart.x[31] = hart.f[31] = hart.pmpaddr15 = hart.attempted = 1
    hart.reset(1)
    left = {name: value for name, value in hart.fields().items() if value}
    assert left == {**RESET_VALUES, "hartid": 1}


def test_the_names_for_digests_are_architectural() -> None:
    """What engines keep for themselves is not among them."""
    names = set(ClusterBlock(1).members[0].fields())
    registers = {f"x{i}" for i in range(1, 32)} | {f"f{i}" for i in range(32)}
    pmp = {f"pmpaddr{i}" for i in range(PMP_ENTRIES)}
    assert names == registers | pmp | set(HART_FIELDS) | {"pc", "attempted"}


def filled() -> ClusterBlock:
    block = ClusterBlock(2)
    block.icount, block.warp, block.time_offset = 10, 20, 30
    block.current, block.quantum_left, block.shift, block.quantum = 1, 40, 3, 50
    for number, hart in enumerate(block.members):
        for at, name in enumerate(("pc", "attempted", *HART_FIELDS)):
            setattr(hart, name, ONES - 100 * number - at)
        for index in range(32):
            hart.x[index] = index + number
            hart.f[index] = ONES - index
    return block


def test_a_saved_state_restores_all_that_counts() -> None:
    """Through MessagePack, as a snapshot would."""
    old, new = filled(), ClusterBlock(2)
    packed = msgspec.msgpack.encode(old.save())
    new.restore(msgspec.msgpack.decode(packed, type=CpuState))
    assert new.save() == old.save()
    for one, two in zip(old.members, new.members, strict=True):
        assert one.fields() == two.fields()


def test_a_saved_state_shares_nothing() -> None:
    block = filled()
    state = block.save()
    before = msgspec.msgpack.encode(state)
    block.members[0].reset(0)
    block.icount = 99
    assert msgspec.msgpack.encode(state) == before


def test_engines_own_fields_do_not_enter_a_state() -> None:
    """Two states that differ in them only are equal."""
    one, two = filled(), filled()
    two.members[0].left, two.members[0].limit, two.budget = 5, 6, 7
    two.words[CLUSTER_OFFSET["until"] >> 3] = 8
    assert one.save() == two.save()


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(AttributeError):
        _ = ClusterBlock(1).members[0].no_such_field
