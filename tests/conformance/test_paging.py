"""Address translation: small page tables of all shapes, and accesses of all kinds through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pytest

from conformance import layout as at
from conformance.cases import FS_DIRTY, Case, M, S, U, Value
from conformance.compare import agree
from conformance.dice import Dice
from conformance.harvest import harvest
from conformance.programs import drawn
from instructions import encode
from lockstep.isa.csrs import CSR_NUMBERS
from lockstep.isa.privileged import ENVCFG_ADUE, STATUS_MPRV, STATUS_MXR, STATUS_SUM

V, R, W, X, USER, GLOBAL, A, D = (1 << bit for bit in range(8))
LEAF_FLAGS: Final = (R, W, X, USER, GLOBAL, A, D)
RESERVED: Final = (1 << 54, 1 << 60, 1 << 61, 1 << 62, 1 << 63)
ROOT: Final = at.TABLES
NOWHERE: Final = 1 << 27
STATUS, POINTER, VALUE, RESULT = 9, 10, 11, 12
ECALL_FROM_S: Final = 1 << 9
PAGE_FAULTS: Final = 1 << 12 | 1 << 13 | 1 << 15


@dataclass(frozen=True)
class Scheme:
    """One of the three: satp.MODE and the levels of its tables."""

    mode: int
    levels: int
    # The root's entry that maps, with one leaf, all memory to where it is; and its frame.
    identity: int
    frame: int

    def shift(self, level: int) -> int:
        """The lowest address bit that indexes the table of this level; the leaves' level is 0."""
        return 12 + 9 * level


SV39: Final = Scheme(8, 3, at.RAM >> 30, at.RAM)
SV48: Final = Scheme(9, 4, 0, 0)
SV57: Final = Scheme(10, 5, 0, 0)


def entry(frame: int, flags: int) -> int:
    return frame >> 12 << 10 | flags


def leaf_flags(dice: Dice) -> int:
    """A leaf's flags: often all there, sometimes any."""
    if dice.once_in(3):
        return V | R | W | X | A | D | (USER if dice.once_in(2) else 0)
    flags = sum(flag for flag in LEAF_FLAGS if not dice.once_in(4))
    flags |= 0 if dice.once_in(10) else V
    return flags | (dice.pick((*RESERVED, 1 << 8, 3 << 8)) if dice.once_in(6) else 0)


def table_flags(dice: Dice) -> int:
    """A pointer's flags: V alone, or sometimes what is reserved there."""
    if not dice.once_in(10):
        return V
    return dice.pick((0, V | A, V | D, V | USER, V | GLOBAL, V | RESERVED[0], V | 1 << 8, W | V))


def frame_for(dice: Dice, level: int) -> int:
    """Where a leaf points: into our frames; a superpage where it must, or misaligned."""
    if level == 0:
        places = [at.FRAMES + 0x1000 * dice.below(14)] * 8
        return dice.pick((*places, at.RAM_END, NOWHERE, 1 << 55))
    aligned = {1: at.MEGAPAGE, 2: at.RAM}.get(level, 0)
    return dice.pick((aligned, aligned, aligned, aligned + 0x1000, at.RAM_END))


def virtual(dice: Dice, scheme: Scheme, indices: list[int], level: int) -> int:
    """The address with these table indices, from the root's down; where it hits our frames."""
    address = 0
    for depth, index in enumerate(indices):
        address |= index << scheme.shift(scheme.levels - 1 - depth)
    if level == 1:
        address |= 0x1000 * dice.pick((0, 1, 0x1FF, dice.below(512)))
    if level >= 2:
        address |= (at.FRAMES if level > 2 else at.FRAMES - at.RAM) + 0x1000 * dice.below(14)
    top = scheme.shift(scheme.levels) - 1
    if address >> top & 1:
        address |= (1 << 64) - (1 << top)
    # Bits above the ones translated must all be the same; sometimes they are not.
    return address ^ (1 << dice.between(top, 63) if dice.once_in(25) else 0)


def offset(dice: Dice) -> int:
    """Within the page; often where an access reaches the next one."""
    return dice.pick((0, 8, 0xFF8, 0xFFC, 0xFFE, 0xFFF, dice.below(4096)))


@dataclass
class Mapping:
    """A virtual address and the table entries that translate it, and the page after it."""

    address: int
    pokes: list[tuple[int, int]]
    frames: list[int]
    size: int  # of the page

    def memory(self, address: int) -> list[tuple[int, int]]:
        """The words under an access to `address`, which is in the first page, and after it.

        They are calls, should it be a jump; and they are compared afterwards.
        """
        call = encode("ecall")
        words: dict[int, int] = {}
        for number, frame in enumerate(self.frames):
            word = address & -8 & self.size - 1
            for at_word in (word, word + 8) if number == 0 else (0,):
                place = frame & -self.size | at_word
                if at_word < self.size and at.FRAMES <= place < at.RECORDS:
                    words[place] = call << 32 | call
        if address & 3 and words:  # the upper half of a call that begins before
            words[max(words)] = call << 16
        return list(words.items())


def mapping(dice: Dice, scheme: Scheme) -> Mapping:
    """A chain of tables to a leaf, which is at any level, and a second leaf beside it."""
    level = 0 if dice.once_in(2) else dice.below(scheme.levels)
    free = [i for i in (1, 3, 0xFF, 0x100, 0x1FF) if i != scheme.identity]
    # Not the last one: the page after it then has its entry in the same table.
    below = [dice.below(511) for _ in range(scheme.levels - 1 - level)]
    indices = [dice.pick(free), *below]
    pokes = []
    for depth, index in enumerate(indices[:-1]):
        pointed = NOWHERE if dice.once_in(30) else ROOT + 0x1000 * (depth + 1)
        pokes.append((ROOT + 0x1000 * depth + 8 * index, entry(pointed, table_flags(dice))))
    table, frames = ROOT + 0x1000 * (len(indices) - 1), []
    for index in (indices[-1], indices[-1] + 1):
        if index < 512 and not (table == ROOT and index == scheme.identity):
            frames.append(frame_for(dice, level))
            pokes.append((table + 8 * index, entry(frames[-1], leaf_flags(dice))))
    address = virtual(dice, scheme, indices, level)
    return Mapping(address, pokes, frames, 1 << scheme.shift(level))


ACCESSES: Final = (
    *(encode(name, rd=RESULT, rs1=POINTER) for name in ("lb", "lhu", "lw", "ld", "lr.w", "lr.d")),
    *(encode(name, rs1=POINTER, rs2=VALUE) for name in ("sb", "sh", "sw", "sd", "fsd")),
    encode("fld", rd=RESULT, rs1=POINTER),
    *(
        encode(name, rd=RESULT, rs1=POINTER, rs2=VALUE)
        for name in ("amoadd.w", "amoswap.d", "amomax.d", "sc.w")
    ),
)
FETCH: Final = encode("jalr", rd=1, rs1=POINTER)


def paged(scheme: Scheme, dice: Dice) -> Case:
    """An access from S or U, or from M by way of MPRV; or a jump."""
    to = mapping(dice, scheme)
    address = to.address + offset(dice)
    executing = dice.pick((S, U, M))
    access = dice.pick(ACCESSES) if executing == M or not dice.once_in(3) else FETCH
    identity = V | R | W | X | A | D | (USER if executing == U else 0)
    pokes = [(ROOT + 8 * scheme.identity, entry(scheme.frame, identity)), *to.pokes]
    status = sum(bit for bit in (STATUS_SUM, STATUS_MXR) if dice.once_in(2))
    code = [access]
    x = {POINTER: address, VALUE: dice.word()}
    if executing == M:
        x[STATUS] = STATUS_MPRV | dice.pick((S, U)) << 11
        change = encode("csrrs", csr=CSR_NUMBERS["mstatus"], rs1=STATUS)
        back = encode("csrrc", csr=CSR_NUMBERS["mstatus"], rs1=STATUS)
        code = [back, change, access, back]
    csrs: dict[str, Value] = {
        "satp": scheme.mode << 60 | dice.below(1 << 16) << 44 | ROOT >> 12,
        "medeleg": PAGE_FAULTS if executing == S and dice.once_in(3) else 0,
        "menvcfg": 0 if dice.once_in(5) else ENVCFG_ADUE,
    }
    if dice.once_in(8):
        csrs |= protection(dice)
    return Case(
        code,
        x=x,
        mode=executing,
        mstatus=status | FS_DIRTY,
        pokes=pokes + to.memory(address),
        csrs=csrs,
    )


def protection(dice: Dice) -> dict[str, Value]:
    """A page of tables or frames, to which a PMP entry allows little."""
    page = dice.pick((at.TABLES, at.FRAMES)) + 0x1000 * dice.below(6)
    return {"pmpaddr0": page >> 2 | 0x1FF, "pmpcfg0": dice.pick((0x18, 0x19, 0x1B, 0x1C, 0x1D))}


@pytest.mark.parametrize("scheme", [SV39, SV48, SV57], ids=["Sv39", "Sv48", "Sv57"])
def test_translation(scheme: Scheme) -> None:
    """What is permitted, which fault names which address, and what memory holds afterwards."""
    cases = harvest(f"paging {scheme.mode}", drawn(lambda dice: paged(scheme, dice)), 2500)
    agree(cases)
