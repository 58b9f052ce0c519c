"""Zicsr: what is read, what is written, and when nothing is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.hart import FakeHart, GuestTrap
from instructions import WORDS, encode, named
from lockstep.isa.csrs import CSR_NUMBERS
from lockstep.isa.privileged import SEIP, USER
from lockstep.isa.table import decode

MSCRATCH = CSR_NUMBERS["mscratch"]
CYCLE = CSR_NUMBERS["cycle"]

WRITES: dict[str, Callable[[int, int], int]] = {
    "csrrw": lambda old, source: source,
    "csrrs": lambda old, source: old | source,
    "csrrc": lambda old, source: old & ~source,
}


@pytest.mark.parametrize("name", WRITES)
@given(old=WORDS, source=WORDS)
def test_register_forms(name: str, old: int, source: int) -> None:
    for rd in (0, 10, 11):
        hart = FakeHart()
        hart.mscratch, hart.x[11] = old, source
        hart.execute(encode(name, rd=rd, rs1=11, csr=MSCRATCH))
        assert hart.mscratch.value == WRITES[name](old, source)
        assert hart.x[rd].value == (old if rd else 0)


@pytest.mark.parametrize("name", WRITES)
@given(old=WORDS, zimm=st.integers(0, 31))
def test_immediate_forms(name: str, old: int, zimm: int) -> None:
    hart = FakeHart()
    hart.mscratch = old
    hart.execute(encode(f"{name}i", rd=10, zimm=zimm, csr=MSCRATCH))
    assert hart.mscratch.value == WRITES[name](old, zimm)
    assert hart.x[10].value == old


def read_only_forms(rd: int, csr: int) -> list[int]:
    """CSRRS, CSRRC, CSRRSI and CSRRCI with x0 or 0."""
    return [csr << 20 | function << 12 | rd << 7 | 0b1110011 for function in (2, 3, 6, 7)]


def test_a_source_of_zero_reads_read_only_registers() -> None:
    for word in read_only_forms(10, CYCLE):
        hart = FakeHart()
        hart.counted = 77
        hart.execute(word)
        assert hart.x[10].value == 77
        found = decode(word)
        assert found is not None
        assert found.name == "csrr"


def test_a_zero_register_that_is_not_x0_still_writes() -> None:
    for word in (encode("csrrs", rd=10, rs1=11, csr=CYCLE), encode("csrrw", rd=0, csr=CYCLE)):
        with pytest.raises(GuestTrap) as caught:
            FakeHart().execute(word)
        assert (caught.value.cause, caught.value.tval) == (2, word)


@pytest.mark.parametrize("name", ["csrrw", "csrrs", "csrrc", "csrrwi", "csrrsi", "csrrci", "csrr"])
def test_refusal_reports_the_word(name: str) -> None:
    sources = {o.name: 1 for o in named(name).encoding.operands if o.name in {"rs1", "zimm"}}
    for csr, priv in ((MSCRATCH, USER), (0x7FF, 3)):
        hart = FakeHart()
        hart.priv, hart.x[10] = priv, 5
        word = encode(name, rd=10, csr=csr, **sources)
        with pytest.raises(GuestTrap) as caught:
            hart.execute(word)
        assert (caught.value.cause, caught.value.tval) == (2, word)
        assert hart.x[10].value == 5


def test_setting_other_bits_of_mip_does_not_latch_the_external_line() -> None:
    """Priv. 3.1.9: rd shows the line and software's bit ORed, but only the latter is modified."""
    hart = FakeHart()
    hart.mip = SEIP
    hart.x[11] = 2
    hart.execute(encode("csrrs", rd=10, rs1=11, csr=CSR_NUMBERS["mip"]))
    assert hart.x[10].value & SEIP
    assert hart.mip_soft.value == 0
