"""Which interrupts are pending, which one is taken, and what ends a WFI."""

from __future__ import annotations

from typing import Final

from lockstep.isa.privileged import (
    ENVCFG_STCE,
    INTERRUPT,
    MACHINE,
    MEI,
    MSI,
    MTI,
    MTIP,
    SEI,
    SEIP,
    SSI,
    STATUS_MIE,
    STATUS_SIE,
    STI,
    STIP,
    SUPERVISOR,
)
from lockstep.isa.sem import Hart, outlined, sem
from lockstep.isa.values import Word

# Simultaneous interrupts of one destination are taken in this order (Priv. 3.1.9).
PRIORITY: Final = (MEI, MSI, MTI, SEI, SSI, STI)


@sem
def pending(s: Hart) -> Word:
    """mip as a CSR read shows it: device lines, software's SEIP and STIP, and the timers.

    MTIP follows the comparison and nothing else (Priv. 3.2.1). STIP does so when menvcfg.STCE is
    set (Sstc 2.1.2); otherwise it is whatever M-mode wrote (Priv. 3.1.9).
    """
    now = s.time()
    machine_timer = s.const(MTIP) if now >= s.mtimecmp else s.const(0)
    timer = s.const(STIP) if now >= s.stimecmp else s.const(0)
    supervisor_timer = timer if (s.menvcfg & ENVCFG_STCE) != 0 else s.mip_soft & STIP
    return s.mip | (s.mip_soft & SEIP) | machine_timer | supervisor_timer


@sem
def wakes(s: Hart) -> bool:
    """Whether WFI would end: global enables and delegation do not matter. (Priv. 3.3.3)"""
    return (pending(s) & s.mie) != 0


@outlined
def interrupt_to_take(s: Hart) -> Word:
    """The cause (bit 63 set) of the interrupt to take at this boundary, 0 if none. (3.1.9)"""
    ready = pending(s) & s.mie
    to_machine = ready & ~s.mideleg
    if to_machine != 0 and (s.priv < MACHINE or (s.mstatus & STATUS_MIE) != 0):
        return _first(s, to_machine)
    to_supervisor = ready & s.mideleg
    enabled = s.priv < SUPERVISOR or (s.priv == SUPERVISOR and (s.mstatus & STATUS_SIE) != 0)
    if to_supervisor != 0 and enabled:
        return _first(s, to_supervisor)
    return s.const(0)


@sem
def _first(s: Hart, ready: Word) -> Word:
    for code in PRIORITY:
        if ready.bit(code):
            return s.const(INTERRUPT | code)
    return s.const(0)
