"""Words that are no instruction: QEMU must think so, too."""

from __future__ import annotations

from conformance.cases import Case, S
from conformance.compare import agree
from conformance.dice import Dice
from conformance.harvest import harvest
from conformance.programs import drawn
from conformance.steps import ignored_bits
from lockstep.isa.table import Insn, decode, table

COMPRESSED = [word for word in range(1 << 16) if word & 3 != 3]
FULL_LENGTH = [one for one in table() if one.length == 4]
# LUI, AUIPC and JAL take whatever follows their opcode.
FULL_OPCODES = {0x37, 0x17, 0x6F}
OPCODES = {one.encoding.match & 0x7F for one in FULL_LENGTH} - FULL_OPCODES


def test_compressed_words_that_are_none() -> None:
    """All of them."""
    none = [word for word in COMPRESSED if decode(word) is None]
    agree([Case([word]) for word in none])


def unknown(dice: Dice) -> Case:
    """An instruction with some of its fixed bits changed, or any word."""
    while True:
        word = dice.below(1 << 32) | 3
        if not dice.once_in(4):
            word = changed(dice, dice.pick(FULL_LENGTH), word)
        if decode(word) is None and word & 0x1F != 0x1F:  # the latter are longer than 32 bits
            return Case([word], mode=dice.pick((3, S)))


def changed(dice: Dice, one: Insn, operands: int) -> int:
    """The instruction with these operands and one to three of its fixed bits inverted."""
    word = one.encoding.match | operands & ~one.encoding.mask
    for _ in range(dice.between(1, 3)):
        bit = 1 << dice.between(2, 31)
        word ^= bit & one.encoding.mask
    return word & ~ignored_bits(one) if dice.once_in(2) else word


def test_words_that_are_no_instruction() -> None:
    """Near misses of instructions, and random words."""
    cases = harvest("unknown words", drawn(unknown), 3000)
    opcodes = {word & 0x7F for case in cases for word in case.code}
    assert opcodes >= OPCODES, "every opcode has words that are no instruction"
    agree(cases)
