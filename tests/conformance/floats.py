"""Floating-point numbers worth trying, as bits."""

from __future__ import annotations

from typing import Final

from conformance.dice import Dice

BOX: Final = 0xFFFF_FFFF << 32


def corners(width: int, exponent_bits: int) -> list[int]:
    """Where something happens: zeros, subnormals, the ends of ranges, NaNs; both signs."""
    mantissa = width - 1 - exponent_bits
    bias = (1 << exponent_bits - 1) - 1
    one = bias << mantissa
    infinity = ((1 << exponent_bits) - 1) << mantissa
    normal = 1 << mantissa
    quiet = infinity + normal // 2
    positive = [
        0, 1, 2, normal - 1, normal, normal + 1, infinity - 1, infinity, infinity + 1,
        quiet, quiet + 1, infinity + normal - 1,
        one, one - 1, one + 1, one + normal, one - normal, one + normal // 2, one | normal // 3,
        *(((bias + power) << mantissa) - d for power in (31, 32, 63, 64) for d in (0, 1)),
        (bias + mantissa) << mantissa | 1,
        (bias - mantissa) << mantissa,
    ]  # fmt: skip
    return [sign | number for number in positive for sign in (0, 1 << width - 1)]


SINGLES: Final = corners(32, 8)
DOUBLES: Final = corners(64, 11)


def near_one(dice: Dice, width: int, exponent_bits: int) -> int:
    """A number whose exponent is close enough to one's to interact with such another."""
    mantissa = width - 1 - exponent_bits
    exponent = (1 << exponent_bits - 1) - 1 + dice.between(-mantissa - 3, mantissa + 3)
    some = dice.pick((0, 1, (1 << mantissa - 4) - 1, dice.below(1 << mantissa - 4)))
    return dice.below(2) << width - 1 | exponent << mantissa | dice.below(16) << mantissa - 4 | some


def telling(dice: Dice, width: int, exponent_bits: int) -> int:
    """A number that makes results exact, or just not, or that is near the ends of the range."""
    mantissa = width - 1 - exponent_bits
    bias, top = (1 << exponent_bits - 1) - 1, (1 << exponent_bits) - 1
    few = dice.below(16) << dice.below(mantissa + 1)
    fraction = dice.pick((few, few, -1 - dice.below(4), dice.below(1 << mantissa)))
    exponent = dice.pick((
        dice.between(bias - 3, bias + 3),
        dice.between(bias - 3, bias + 3),
        dice.between(bias - mantissa - 4, bias + mantissa + 4),
        dice.between(bias // 2 - mantissa, bias // 2 + 4),
        dice.below(2 * mantissa + 10),
        dice.between(top - 5, top),
        dice.pick((0, 0, top, dice.below(top + 1))),
    ))  # fmt: skip
    if dice.once_in(16):
        exponent = fraction = 0
    return dice.below(2) << width - 1 | exponent << mantissa | fraction % (1 << mantissa)


def related(dice: Dice, width: int, exponent_bits: int, count: int) -> list[int]:
    """Several, of which the last may be the first with a bit changed, most often the sign."""
    found = [telling(dice, width, exponent_bits) for _ in range(count)]
    if dice.once_in(8):
        found[-1] = found[0] ^ dice.pick((1 << width - 1, 1 << width - 1, 0, 1))
    return found


def single(dice: Dice) -> int:
    """Bits of a single-precision number."""
    kind = dice.below(4)
    if kind == 0:
        return dice.below(1 << 32)
    return near_one(dice, 32, 8) if kind == 1 else dice.pick(SINGLES)


def double(dice: Dice) -> int:
    """Bits of a double-precision number."""
    kind = dice.below(4)
    if kind == 0:
        return dice.below(1 << 64)
    return near_one(dice, 64, 11) if kind == 1 else dice.pick(DOUBLES)


def register(dice: Dice) -> int:
    """What a floating-point register may hold: either kind, or a badly boxed single."""
    kind = dice.below(9)
    if kind < 4:
        return double(dice)
    return single(dice) | (BOX if kind < 8 else dice.pick((0, BOX >> 1, BOX - (1 << 32))))
