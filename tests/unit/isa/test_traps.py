"""Traps go where delegation sends them, and MRET and SRET undo what they did."""

from __future__ import annotations

import pytest

from fakes.hart import FakeHart
from lockstep.isa.privileged import (
    INTERRUPT,
    MACHINE,
    STATUS_MIE,
    STATUS_MPIE,
    STATUS_MPP,
    STATUS_MPRV,
    STATUS_SIE,
    STATUS_SPIE,
    STATUS_SPP,
    SUPERVISOR,
    USER,
)
from lockstep.isa.state import NO_RESERVATION
from lockstep.isa.traps import enter_trap, leave_machine, leave_supervisor
from lockstep.isa.values import Bits

ECALL_U = 8
STI = INTERRUPT | 5


def enter(hart: FakeHart, cause: int, tval: int = 0) -> int:
    interrupt = bool(cause & INTERRUPT)
    return int(enter_trap(hart, Bits(64, cause), Bits(64, tval), interrupt))


def trapping_hart(priv: int) -> FakeHart:
    hart = FakeHart(pc=0x8000_1234)
    hart.priv = priv
    hart.mtvec = 0x8000_0100
    hart.stvec = 0x8020_0200
    return hart


def test_an_exception_goes_to_machine_mode_by_default() -> None:
    """mepc, mcause and mtval tell what happened; MPP and MPIE what was."""
    hart = trapping_hart(USER)
    hart.mstatus = STATUS_MIE | STATUS_SIE
    assert enter(hart, 13, 0xDEAD) == 0x8000_0100
    assert (hart.mepc, hart.mcause, hart.mtval) == (0x8000_1234, 13, 0xDEAD)
    assert hart.priv == MACHINE
    assert hart.mstatus == STATUS_MPIE | STATUS_SIE


def test_a_delegated_exception_goes_to_supervisor_mode() -> None:
    """The S registers change, the M registers do not."""
    hart = trapping_hart(SUPERVISOR)
    hart.medeleg = 1 << 13
    hart.mstatus = STATUS_MIE | STATUS_SIE
    assert enter(hart, 13, 0xDEAD) == 0x8020_0200
    assert (hart.sepc, hart.scause, hart.stval) == (0x8000_1234, 13, 0xDEAD)
    assert (hart.mepc, hart.mcause) == (0, 0)
    assert hart.priv == SUPERVISOR
    assert hart.mstatus == STATUS_MIE | STATUS_SPIE | STATUS_SPP


def test_a_trap_from_machine_mode_is_never_delegated() -> None:
    """Traps never go to a less privileged mode."""
    hart = trapping_hart(MACHINE)
    hart.medeleg = 0xFFFF
    enter(hart, 2)
    assert (hart.priv, hart.mcause, hart.scause) == (MACHINE, 2, 0)
    assert hart.mstatus.field(12, 11) == MACHINE


@pytest.mark.parametrize("priv", [USER, SUPERVISOR])
def test_previous_privilege_is_recorded(priv: int) -> None:
    """MPP and SPP hold the mode that was interrupted."""
    hart = trapping_hart(priv)
    hart.mstatus = STATUS_MPP
    enter(hart, 3)
    assert hart.mstatus.field(12, 11) == priv
    hart = trapping_hart(priv)
    hart.medeleg = 1 << 3
    hart.mstatus = STATUS_SPP
    enter(hart, 3)
    assert hart.mstatus.bit(8) == (priv == SUPERVISOR)


def test_interrupts_are_delegated_by_mideleg_alone() -> None:
    """medeleg's bit of the same number does not count."""
    hart = trapping_hart(SUPERVISOR)
    hart.medeleg = 1 << 5
    enter(hart, STI)
    assert (hart.priv, hart.mcause) == (MACHINE, STI)
    hart = trapping_hart(SUPERVISOR)
    hart.mideleg = 1 << 5
    enter(hart, STI)
    assert (hart.priv, hart.scause) == (SUPERVISOR, STI)


def test_only_interrupts_are_vectored() -> None:
    """With MODE 1 an interrupt enters at BASE + 4 * cause, an exception at BASE."""
    hart = trapping_hart(SUPERVISOR)
    hart.mtvec = 0x8000_0101
    assert enter(hart, INTERRUPT | 7) == 0x8000_0100 + 28
    assert enter(hart, 7) == 0x8000_0100


def test_only_exceptions_count_as_not_retired() -> None:
    """An interrupt is taken between instructions."""
    hart = trapping_hart(USER)
    enter(hart, ECALL_U)
    enter(hart, STI)
    assert hart.exceptions == 1


@pytest.mark.parametrize("cause", [ECALL_U, STI])
def test_a_trap_breaks_the_reservation(cause: int) -> None:
    """SC after a handler must fail."""
    hart = trapping_hart(USER)
    hart.reservation = 0x8000_0000
    enter(hart, cause)
    assert hart.reservation == NO_RESERVATION


@pytest.mark.parametrize("priv", [USER, SUPERVISOR, MACHINE])
@pytest.mark.parametrize("enabled", [0, STATUS_MIE])
def test_mret_restores_what_the_trap_saved(priv: int, enabled: int) -> None:
    """Mode, interrupt enable and pc come back; MPP falls to U, MPIE to 1."""
    hart = trapping_hart(priv)
    hart.mstatus = enabled | STATUS_SIE
    enter(hart, 2)
    hart.reservation = 8
    assert leave_machine(hart) == 0x8000_1234
    assert hart.priv == priv
    assert hart.mstatus == enabled | STATUS_SIE | STATUS_MPIE
    assert hart.reservation == NO_RESERVATION


@pytest.mark.parametrize("priv", [USER, SUPERVISOR])
@pytest.mark.parametrize("enabled", [0, STATUS_SIE])
def test_sret_restores_what_the_trap_saved(priv: int, enabled: int) -> None:
    """Mode, interrupt enable and pc come back; SPP falls to U, SPIE to 1."""
    hart = trapping_hart(priv)
    hart.medeleg = 1 << 2
    hart.mstatus = enabled | STATUS_MIE
    enter(hart, 2)
    assert leave_supervisor(hart) == 0x8000_1234
    assert hart.priv == priv
    assert hart.mstatus == enabled | STATUS_MIE | STATUS_SPIE


def test_mprv_survives_only_a_return_to_machine_mode() -> None:
    """Priv. 3.1.6.3: an xRET to a less privileged mode clears MPRV."""
    hart = FakeHart()
    hart.mstatus = STATUS_MPRV | STATUS_MPP
    leave_machine(hart)
    assert hart.mstatus.bit(17)
    leave_machine(hart)  # MPP is U by now
    assert not hart.mstatus.bit(17)
    hart.mstatus = STATUS_MPRV
    leave_supervisor(hart)
    assert not hart.mstatus.bit(17)
