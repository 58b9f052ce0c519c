"""Physical memory protection: all kinds of entries, at all alignments, for every mode."""

from __future__ import annotations

from typing import Final

from conformance import layout as at
from conformance.cases import FS_DIRTY, Case, M, S, U, Value
from conformance.compare import agree
from conformance.dice import Dice
from conformance.harvest import harvest
from conformance.programs import drawn
from conformance.test_paging import ACCESSES, FETCH, POINTER, STATUS, VALUE
from instructions import encode
from lockstep.isa.csrs import CSR_NUMBERS
from lockstep.isa.privileged import STATUS_MPRV

OFF, TOR, NA4, NAPOT = range(4)
LOCK: Final = 1 << 7
EDGE: Final = at.FRAMES + 0x1000  # entries and accesses meet around here: a page's end
LAST: Final = 15


def near(dice: Dice, reach: int, step: int) -> int:
    """An address within `reach` of the edge, a multiple of `step`."""
    return EDGE + step * dice.between(-reach // step, reach // step)


def pmp_entry(dice: Dice, lock: int = 0) -> tuple[int, int]:
    """(configuration, address register) of an entry about the edge."""
    mode = dice.pick((OFF, TOR, TOR, NA4, NAPOT, NAPOT))
    config = mode << 3 | dice.pick((0, 1, 3, 4, 5, 7, 7)) | lock
    address = near(dice, 32, 4) >> 2
    if mode == NAPOT:
        size = 8 << dice.below(11)  # to two pages and more
        address = near(dice, 2 * size, size) >> 2 | (size // 2 - 1) >> 2
    return config, address


def entries(dice: Dice) -> dict[str, Value]:
    """Some entries, before the last one, which opens everything: usually."""
    configs, csrs = [0] * 16, dict[str, Value]()
    number = dice.below(13)
    for _ in range(dice.between(1, 4)):
        configs[number], csrs[f"pmpaddr{number}"] = pmp_entry(dice)
        number = (number + dice.pick((1, 1, 2))) % 15
    configs[LAST] = 0x1F
    packed = int.from_bytes(bytes(configs), "little")
    return csrs | {"pmpcfg0": packed & at.MAXIMUM, "pmpcfg2": packed >> 64}


def protected(dice: Dice) -> Case:
    """An access near the edge, from S, U, or M with MPRV; or a jump there."""
    address = near(dice, 40, dice.pick((1, 4, 8)))
    executing = dice.pick((S, U, M))
    access = dice.pick(ACCESSES) if executing == M or not dice.once_in(3) else FETCH
    code, x = [access], {POINTER: address, VALUE: dice.word()}
    if executing == M and not dice.once_in(4):
        x[STATUS] = STATUS_MPRV | dice.pick((S, U)) << 11
        change = encode("csrrs", csr=CSR_NUMBERS["mstatus"], rs1=STATUS)
        back = encode("csrrc", csr=CSR_NUMBERS["mstatus"], rs1=STATUS)
        code = [back, change, access, back]
    call = encode("ecall") << (16 if address & 3 else 0)
    words = [(address & -8) + offset for offset in (-8, 0, 8)]
    pokes = [(word, (call << 32 | call) & at.MAXIMUM) for word in words]
    return Case(code, x=x, mode=executing, mstatus=FS_DIRTY, csrs=entries(dice), pokes=pokes)


def test_protection() -> None:
    """Which access is permitted, also where an entry covers only a part of it or of the page."""
    agree(harvest("protection", drawn(protected), 4000))
