"""The counters: cycle, instret and time, and who may read them (Priv. 3.1.10 to 3.1.13).

Stored is only the difference to what the engine counts anyway.
"""

from __future__ import annotations

from typing import Final

from lockstep.isa.privileged import MACHINE, USER
from lockstep.isa.sem import Hart, sem
from lockstep.isa.values import Word

# mcountinhibit (3.1.12).
_CY: Final = 1 << 0
_IR: Final = 1 << 2


@sem
def counter_enabled(s: Hart, csr: Word) -> bool:
    """Priv. 3.1.11, 4.1.5: mcounteren opens a counter to S, and both registers to U."""
    index = csr & 31
    below_machine = s.priv == MACHINE or s.mcounteren.bit(index)
    return below_machine and (s.priv != USER or s.scounteren.bit(index))


@sem
def _cycles_counted(s: Hart) -> Word:
    return s.const(0) if (s.mcountinhibit & _CY) != 0 else s.executed()


@sem
def _retired_counted(s: Hart) -> Word:
    return s.const(0) if (s.mcountinhibit & _IR) != 0 else s.executed() - s.exceptions


@sem
def read_cycle(s: Hart, csr: Word) -> Word:
    return s.mcycle_offset + _cycles_counted(s)


@sem
def read_instret(s: Hart, csr: Word) -> Word:
    return s.minstret_offset + _retired_counted(s)


@sem
def write_cycle(s: Hart, csr: Word, value: Word) -> None:
    """The value is what the next instruction reads (3.1.10): this one is not counted on top."""
    s.mcycle_offset = value - _cycles_counted(s) - _step(s, _CY)


@sem
def write_instret(s: Hart, csr: Word, value: Word) -> None:
    s.minstret_offset = value - _retired_counted(s) - _step(s, _IR)


@sem
def _step(s: Hart, inhibit: int) -> Word:
    """What the instruction being executed adds to a counter."""
    return s.const(0) if (s.mcountinhibit & inhibit) != 0 else s.const(1)


@sem
def write_countinhibit(s: Hart, csr: Word, value: Word) -> None:
    """A counter stops, or goes on, from the value it would have after this instruction."""
    cycles = read_cycle(s, csr) + _step(s, _CY)
    retired = read_instret(s, csr) + _step(s, _IR)
    s.mcountinhibit = value & (_CY | _IR)
    write_cycle(s, csr, cycles)
    write_instret(s, csr, retired)


@sem
def read_time(s: Hart, csr: Word) -> Word:
    return s.time()
