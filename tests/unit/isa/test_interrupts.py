"""The right interrupt is taken, in the right mode, at the right time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fakes.hart import FakeHart
from lockstep.isa.interrupts import interrupt_to_take, pending, wakes
from lockstep.isa.privileged import (
    ALL_INTERRUPTS,
    ENVCFG_STCE,
    INTERRUPT,
    MEIP,
    MSIP,
    MTIP,
    SEIP,
    SSIP,
    STATUS_MIE,
    STATUS_SIE,
    STIP,
    SUPERVISOR_INTERRUPTS,
)

subset = st.integers(0, 0xFFF).map(lambda bits: bits & ALL_INTERRUPTS)


def quiet_hart() -> FakeHart:
    hart = FakeHart()
    hart.mtimecmp = hart.stimecmp = (1 << 64) - 1
    return hart


def test_machine_timer_follows_the_comparison() -> None:
    """MTIP is set from the tick on that mtimecmp names, and by nothing else."""
    hart = quiet_hart()
    hart.mtimecmp = 1000
    hart.mtime = 999
    assert pending(hart) == 0
    hart.mtime = 1000
    assert pending(hart) == MTIP
    hart.mtimecmp = 1001
    assert pending(hart) == 0


def test_supervisor_timer_is_software_s_until_stce() -> None:
    """menvcfg.STCE decides between mip_soft and stimecmp."""
    hart = quiet_hart()
    hart.mtime, hart.stimecmp = 50, 40
    assert pending(hart) == 0
    hart.menvcfg = ENVCFG_STCE
    assert pending(hart) == STIP
    hart.stimecmp, hart.mip_soft = 60, STIP
    assert pending(hart) == 0
    hart.menvcfg = 0
    assert pending(hart) == STIP


def test_external_interrupt_is_line_or_software() -> None:
    """SEIP reads as the OR of both (Priv. 3.1.9)."""
    hart = quiet_hart()
    for line in (0, SEIP):
        for soft in (0, SEIP):
            hart.mip, hart.mip_soft = line, soft
            assert pending(hart) == line | soft


def expected(ready: int, mideleg: int, priv: int, status: int) -> int:
    """Priv. 3.1.9 told another way: walk the modes from the top, then the causes."""
    machine_enabled = priv < 3 or status & STATUS_MIE
    supervisor_enabled = priv < 1 or (priv == 1 and status & STATUS_SIE)
    for destined, enabled in ((~mideleg, machine_enabled), (mideleg, supervisor_enabled)):
        for code in (11, 3, 7, 9, 1, 5):
            if enabled and ready & destined & 1 << code:
                return INTERRUPT | code
    return 0


@given(
    lines=subset,
    enables=subset,
    mideleg=subset.map(lambda bits: bits & SUPERVISOR_INTERRUPTS),
    priv=st.sampled_from([0, 1, 3]),
    status=st.sampled_from([0, STATUS_MIE, STATUS_SIE, STATUS_MIE | STATUS_SIE]),
)
def test_priority_and_enables(
    lines: int, enables: int, mideleg: int, priv: int, status: int
) -> None:
    """M before S, external before software before timer, each mode by its own enable."""
    hart = quiet_hart()
    hart.mtime, hart.menvcfg = 10, ENVCFG_STCE
    hart.mip = lines & (MEIP | MSIP | SEIP | SSIP)
    hart.mtimecmp = 10 if lines & MTIP else 11
    hart.stimecmp = 10 if lines & STIP else 11
    hart.mie, hart.mideleg, hart.priv, hart.mstatus = enables, mideleg, priv, status
    assert interrupt_to_take(hart) == expected(lines & enables, mideleg, priv, status)
    assert wakes(hart) == bool(lines & enables)
