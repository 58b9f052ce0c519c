"""The privileged instructions: who may run them and what follows."""

from __future__ import annotations

import pytest

from fakes.hart import FakeHart, GuestTrap
from lockstep.isa.privileged import (
    ENVCFG_STCE,
    MACHINE,
    STATUS_SPP,
    STATUS_TSR,
    STATUS_TVM,
    STATUS_TW,
    STIP,
    SUPERVISOR,
    USER,
)

ECALL, EBREAK, C_EBREAK = 0x0000_0073, 0x0010_0073, 0x9002
MRET, SRET, WFI = 0x3020_0073, 0x1020_0073, 0x1050_0073
SFENCE_VMA, SFENCE_VMA_A0_A1 = 0x1200_0073, 0x12B5_0073


def hart_in(priv: int, mstatus: int = 0) -> FakeHart:
    hart = FakeHart(pc=0x8000_0000)
    hart.priv, hart.mstatus = priv, mstatus
    hart.mepc, hart.sepc = 0x8000_1000, 0x8000_2002
    return hart


@pytest.mark.parametrize(("priv", "cause"), [(USER, 8), (SUPERVISOR, 9), (MACHINE, 11)])
def test_ecall_names_the_caller(priv: int, cause: int) -> None:
    """The cause is 8 plus the mode; tval is zero."""
    with pytest.raises(GuestTrap) as caught:
        hart_in(priv).execute(ECALL)
    assert (caught.value.cause, caught.value.tval) == (cause, 0)


@pytest.mark.parametrize("word", [EBREAK, C_EBREAK])
def test_ebreak_is_a_breakpoint(word: int) -> None:
    """In both lengths."""
    with pytest.raises(GuestTrap) as caught:
        hart_in(USER).execute(word)
    assert (caught.value.cause, caught.value.tval) == (3, 0)


def test_returns_jump_and_tell_the_engine() -> None:
    """The mode has changed, so that everything is to be looked at again."""
    hart = hart_in(MACHINE, SUPERVISOR << 11)
    assert hart.execute(MRET) == 0x8000_1000
    assert (hart.priv, hart.notes) == (SUPERVISOR, ["resync"])
    hart = hart_in(SUPERVISOR, STATUS_SPP)
    assert hart.execute(SRET) == 0x8000_2002
    assert (hart.priv, hart.notes) == (SUPERVISOR, ["resync"])


@pytest.mark.parametrize(
    ("word", "priv", "mstatus", "legal"),
    [
        (MRET, MACHINE, 0, True),
        (MRET, SUPERVISOR, 0, False),
        (MRET, USER, 0, False),
        (SRET, MACHINE, STATUS_TSR, True),
        (SRET, SUPERVISOR, 0, True),
        (SRET, SUPERVISOR, STATUS_TSR, False),
        (SRET, USER, 0, False),
        (WFI, MACHINE, STATUS_TW, True),
        (WFI, SUPERVISOR, 0, True),
        (WFI, SUPERVISOR, STATUS_TW, False),
        (WFI, USER, 0, False),
        (SFENCE_VMA, MACHINE, STATUS_TVM, True),
        (SFENCE_VMA, SUPERVISOR, 0, True),
        (SFENCE_VMA_A0_A1, SUPERVISOR, 0, True),
        (SFENCE_VMA_A0_A1, SUPERVISOR, STATUS_TVM, False),
        (SFENCE_VMA, USER, 0, False),
    ],
)
def test_who_may(word: int, priv: int, mstatus: int, legal: bool) -> None:
    """TSR, TW and TVM take from S; U may do none of it."""
    hart = hart_in(priv, mstatus)
    if legal:
        hart.execute(word)
        return
    with pytest.raises(GuestTrap) as caught:
        hart.execute(word)
    assert (caught.value.cause, caught.value.tval) == (2, word)
    assert hart.priv == priv


def test_wfi_waits_unless_something_enabled_is_pending() -> None:
    """Enabled in mie is enough: neither mstatus.SIE nor delegation matters (Priv. 3.3.3)."""
    hart = hart_in(SUPERVISOR)
    hart.menvcfg, hart.stimecmp, hart.mtime = ENVCFG_STCE, 5, 9
    assert hart.execute(WFI) == 0x8000_0004
    assert hart.idle
    hart.idle, hart.mie = False, STIP
    hart.execute(WFI)
    assert not hart.idle
