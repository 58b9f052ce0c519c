"""Strategies for whole cases: steps in sequence over registers of all kinds."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

from conformance import floats
from conformance import layout as at
from conformance.cases import Case, Value, Window
from conformance.dice import Dice, Draw
from conformance.steps import POINTERS, base_offsets, step
from lockstep.isa.table import Insn


def drawn(make: Callable[[Dice], Case]) -> st.SearchStrategy[Case]:
    """The strategy for what `make` makes of its dice."""

    @st.composite
    def strategy(draw: Draw) -> Case:
        return make(Dice(draw))

    return strategy()


def programs(
    insns: Sequence[Insn], *, length: int = 6, last: Sequence[Insn] = ()
) -> st.SearchStrategy[Case]:
    """Up to `length` steps from `insns`, and one from `last` if there are any."""

    def make(dice: Dice) -> Case:
        chosen = [dice.pick(insns) for _ in range(dice.between(1, length))] if insns else []
        if last:
            chosen.append(dice.pick(last))
        return program(dice, chosen)

    return drawn(make)


def program(dice: Dice, insns: Sequence[Insn]) -> Case:
    """These instructions on operands of all kinds."""
    offsets = base_offsets(dice)
    return Case(
        [word for one in insns for word in step(dice, one, offsets)],
        x=integers(dice, offsets),
        f=dict(enumerate(repeated(dice, floats.register, 32))),
        fcsr=dice.below(5) << 5 | dice.pick((0, dice.below(32))),
        window=window(dice),
        halfword=dice.once_in(2),
    )


def integers(dice: Dice, offsets: dict[int, int]) -> dict[int, Value]:
    """Pointers where the steps expect them, and few numbers many times: they should meet."""
    found: dict[int, Value] = dict(enumerate(repeated(dice, Dice.word, 31), start=1))
    found |= {base: Window(offset) for base, offset in offsets.items()}
    found |= {p: Window(8 * dice.below(24)) for p in POINTERS}
    if dice.once_in(6):
        found[POINTERS[1]] = Window(dice.below(128))
    return found


def window(dice: Dice) -> bytes:
    """What memory holds: the bytes all different, or numbers worth trying."""
    if dice.once_in(2):
        return bytes(range(256 - at.WINDOW_BYTES, 256))
    words = repeated(dice, Dice.word, 12) + repeated(dice, floats.register, 12)
    return struct.pack("<24Q", *words)


def repeated(dice: Dice, make: Callable[[Dice], int], count: int) -> list[Any]:
    """`count` numbers, of which only some are different."""
    some = [make(dice) for _ in range(dice.between(4, 6))]
    return [some[i % len(some)] for i in range(count)]
