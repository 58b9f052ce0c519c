"""Every control and status register: who may access it, and what stays of what is written."""

from __future__ import annotations

from itertools import product

import pytest

from conformance.cases import Case, M, S, U
from conformance.compare import agree
from conformance.corners import chunks
from conformance.dice import Dice
from conformance.harvest import harvest
from conformance.programs import drawn
from instructions import CORNERS, encode
from lockstep.isa.csrs import CSR_NUMBERS
from lockstep.isa.privileged import ALL_INTERRUPTS, ENVCFG_STCE

ALL_NUMBERS = range(0x1000)
ALTERNATING = 0x5555_5555_5555_5555
VALUES = (*CORNERS, ALTERNATING, ALTERNATING << 1, *(1 << bit for bit in range(64)))
# Locked entries stay locked until reset; test_protection has a run of its own for them.
LOCKS = 0x8080_8080_8080_8080
BEFORE, FIRST_VALUE, FIRST_RESULT = 8, 10, 20
WRITES = ("csrrw", "csrrs", "csrrc", "csrrw", "csrrs", "csrrc")
ALL_COUNTERS = (1 << 32) - 1


@pytest.mark.parametrize("mode", [M, S, U])
def test_who_may_read(mode: int) -> None:
    """All 4096 numbers: the mode, and whether there is such a register."""
    cases = [Case([encode("csrr", rd=10, csr=csr)], mode=mode) for csr in ALL_NUMBERS]
    agree(cases)


def test_who_may_read_counters() -> None:
    """The counters' enables for S and U, and that of stimecmp."""
    numbers = [*range(0xC00, 0xC20), CSR_NUMBERS["stimecmp"]]
    cases = []
    for mode, machine, supervisor in product((S, U), (0, ALL_COUNTERS), (0, ALL_COUNTERS)):
        csrs = {"mcounteren": machine, "scounteren": supervisor}
        for csr, menvcfg in product(numbers, (0, ENVCFG_STCE)):
            code = [encode("csrr", rd=10, csr=csr)]
            cases.append(Case(code, mode=mode, csrs=csrs | {"menvcfg": menvcfg}))
    agree(cases)


@pytest.mark.parametrize("mode", [S, U])
def test_who_may_write(mode: int) -> None:
    """Registers of another mode, and read-only ones, refuse."""
    cases = [
        Case([encode("csrrw", rd=10, rs1=11, csr=csr)], mode=mode)
        for csr in ALL_NUMBERS
        if csr >> 10 == 3 or csr >> 8 & 3 > mode
    ]
    agree(cases)


def written(name: str, values: list[int]) -> Case:
    """The register in M-mode: written, its bits set and cleared, and put back as it was."""
    csr = CSR_NUMBERS[name]
    code = [encode("csrr", rd=BEFORE, csr=csr)]
    for i, (write, _) in enumerate(zip(WRITES, values, strict=False)):
        code.append(encode(write, rd=FIRST_RESULT + i, rs1=FIRST_VALUE + i, csr=csr))
    code.append(encode("csrr", rd=9, csr=csr))
    code.append(encode("csrrw", rs1=BEFORE, csr=csr))
    x = {FIRST_VALUE + i: value for i, value in enumerate(values)}
    return Case(code, x=x, full=True)


def legal(name: str, value: int) -> int:
    return value & ~LOCKS if name.startswith("pmpcfg") else value


def writable() -> list[str]:
    return [name for name, csr in CSR_NUMBERS.items() if csr >> 10 != 3]


def test_what_stays_of_what_is_written() -> None:
    """WARL and WPRI fields: single bits, corners, in each of the three ways to write."""
    cases = []
    for name in writable():
        # Each value is written, set and cleared.
        values = [legal(name, value) for v in VALUES for value in (v, v ^ ALTERNATING, v)]
        cases += [written(name, some) for some in chunks(values, len(WRITES))]
    agree(cases)


def supervisor_views(dice: Dice) -> Case:
    """sstatus, sie and sip are views of M-mode's registers, through mideleg."""
    names = ("sstatus", "sie", "sip", "sstatus", "scounteren", "senvcfg", "sepc")
    code = []
    for i in range(dice.between(1, 8)):
        write = dice.pick(("csrrw", "csrrs", "csrrc"))
        csr = CSR_NUMBERS[dice.pick(names)]
        code.append(encode(write, rd=20 + i, rs1=dice.between(0, 10), csr=csr))
    bits = [dice.word() for _ in range(10)]
    csrs = {"mideleg": dice.word(), "mip": dice.word(), "mie": dice.word()}
    # Interrupts that QEMU has beyond ours would be taken (see the deviations in mie).
    csrs["mideleg"] &= ALL_INTERRUPTS
    csrs["mie"] &= ALL_INTERRUPTS
    return Case(code, x=dict(enumerate(bits, 1)), mode=S, csrs=csrs)


def test_views_of_the_supervisor() -> None:
    """What S-mode sees and changes of registers that it shares with M-mode."""
    agree(harvest("supervisor views", drawn(supervisor_views), 800))
