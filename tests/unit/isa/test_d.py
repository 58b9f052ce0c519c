"""RV64D: what differs from F: 64-bit registers without boxing, conversions between formats."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from fakes import ieee
from fakes.hart import FakeHart, GuestTrap
from fakes.ieee import DOUBLE, NV, NX, OF, RDN, RMM, RNE, RTZ, RUP, SINGLE, UF
from lockstep.isa.table import decode, table

# As the GNU assembler encodes them for fa0, fa1, fa2, fa3 (or a0, a1, and -8(a1) in memory).
WORDS = {
    "fld": 0xFF85B507,
    "fsd": 0xFEC5BC27,
    "fmadd.d": 0x6AC5F543,
    "fmsub.d": 0x6AC5F547,
    "fnmsub.d": 0x6AC5F54B,
    "fnmadd.d": 0x6AC5F54F,
    "fadd.d": 0x02C59553,
    "fsub.d": 0x0AC5F553,
    "fmul.d": 0x12C5F553,
    "fdiv.d": 0x1AC5F553,
    "fsqrt.d": 0x5A05F553,
    "fsgnj.d": 0x22C58553,
    "fsgnjn.d": 0x22C59553,
    "fsgnjx.d": 0x22C5A553,
    "fmin.d": 0x2AC58553,
    "fmax.d": 0x2AC59553,
    "feq.d": 0xA2C5A553,
    "flt.d": 0xA2C59553,
    "fle.d": 0xA2C58553,
    "fclass.d": 0xE2059553,
    "fcvt.w.d": 0xC205C553,
    "fcvt.wu.d": 0xC215C553,
    "fcvt.l.d": 0xC225C553,
    "fcvt.lu.d": 0xC235C553,
    "fcvt.d.w": 0xD2058553,
    "fcvt.d.wu": 0xD2158553,
    "fcvt.d.l": 0xD225F553,
    "fcvt.d.lu": 0xD235F553,
    "fmv.x.d": 0xE2058553,
    "fmv.d.x": 0xF2058553,
    "fcvt.s.d": 0x4015F553,
    "fcvt.d.s": 0x42058553,
}
FA0, FA1, FA2 = 10, 11, 12
A0, A1 = 10, 11
INITIAL, DIRTY = 1 << 13, 3 << 13  # mstatus.FS
BOX = 0xFFFF_FFFF_0000_0000
MINUS = 1 << 63
ONE, TWO, THREE = 0x3FF << 52, 0x400 << 52, 0x4008 << 48
MAX, INF, NAN, SNAN = 0x7FEF_FFFF_FFFF_FFFF, 0x7FF << 52, 0xFFF << 51, 0x7FF << 52 | 1
THIRD = 0x3FD5_5555_5555_5555
MODES = [RNE, RTZ, RDN, RUP, RMM]


def hart(*values: int, frm: int = RNE) -> Any:
    """fa1, fa2, fa3 hold `values`; FS is Initial."""
    s = FakeHart()
    s.mstatus = INITIAL
    s.fcsr = frm << 5
    for register, value in enumerate(values, FA1):
        s.f[register] = value
    return s


def with_rm(name: str, rm: int) -> int:
    return WORDS[name] & ~0x7000 | rm << 12


def flags(s: Any) -> int:
    return int(s.fcsr) & 31


def test_every_encoding_is_known_by_its_name() -> None:
    for name, word in WORDS.items():
        one = decode(word)
        assert one is not None
        assert one.name == name
    assert {one.name for one in table() if one.ext == "D"} == set(WORDS)


@pytest.mark.parametrize("name", WORDS)
def test_fs_off_is_illegal(name: str) -> None:
    s = hart(ONE, TWO, THREE)
    s.mstatus = 0
    with pytest.raises(GuestTrap) as caught:
        s.execute(WORDS[name])
    assert (caught.value.cause, caught.value.tval) == (2, WORDS[name])


@pytest.mark.parametrize("name", ["fadd.d", "fsqrt.d", "fnmsub.d", "fcvt.d.s", "fcvt.d.w"])
@pytest.mark.parametrize(("rm", "frm"), [(5, 0), (6, 0), (7, 5), (7, 7)])
def test_reserved_rounding_modes_are_illegal(name: str, rm: int, frm: int) -> None:
    """Even where the result is always exact."""
    with pytest.raises(GuestTrap) as caught:
        hart(ONE, TWO, THREE, frm=frm).execute(with_rm(name, rm))
    assert (caught.value.cause, caught.value.tval) == (2, with_rm(name, rm))


@pytest.mark.parametrize("mode", MODES)
def test_arithmetic(mode: int) -> None:
    operations = {"fadd": ieee.add, "fsub": ieee.sub, "fmul": ieee.mul, "fdiv": ieee.div}
    for a, b in [(THIRD, THREE), (THREE, THIRD), (MAX, MAX), (ONE, 0), (SNAN, ONE), (1, THIRD)]:
        for name, operation in operations.items():
            s = hart(a, b)
            s.execute(with_rm(f"{name}.d", mode))
            assert (int(s.f[FA0]), flags(s)) == operation(DOUBLE, mode, a, b)
        s = hart(a)
        s.execute(with_rm("fsqrt.d", mode))
        assert (int(s.f[FA0]), flags(s)) == ieee.sqrt(DOUBLE, mode, a)


@pytest.mark.parametrize(
    ("name", "product", "addend"),
    [("fmadd.d", 0, 0), ("fmsub.d", 0, MINUS), ("fnmsub.d", MINUS, 0), ("fnmadd.d", MINUS, MINUS)],
)
def test_fused(name: str, product: int, addend: int) -> None:
    for a, b, c in [(THIRD, THREE, ONE), (THIRD, THIRD, MAX), (ONE, TWO, TWO), (0, INF, NAN)]:
        for mode in MODES:
            s = hart(a, b, c)
            s.execute(with_rm(name, mode))
            expected = ieee.fma(DOUBLE, mode, a ^ product, b, c ^ addend)
            assert (int(s.f[FA0]), flags(s)) == expected


def test_sign_injection_extremes_and_comparisons() -> None:
    for a, b in [(ONE, MINUS | TWO), (MINUS, 0), (NAN, THREE), (SNAN, MINUS | NAN), (INF, MAX)]:
        opposite = b ^ MINUS
        for name, expected in [
            ("fsgnj.d", (a & ~MINUS | b & MINUS, 0)),
            ("fsgnjn.d", (a & ~MINUS | opposite & MINUS, 0)),
            ("fsgnjx.d", (a ^ (b & MINUS), 0)),
            ("fmin.d", ieee.extreme(DOUBLE, True, a, b)),
            ("fmax.d", ieee.extreme(DOUBLE, False, a, b)),
        ]:
            s = hart(a, b)
            s.execute(WORDS[name])
            assert (int(s.f[FA0]), flags(s)) == expected
        for relation in ("eq", "lt", "le"):
            s = hart(a, b)
            s.execute(WORDS[f"f{relation}.d"])
            assert (int(s.x[A0]), flags(s)) == ieee.compare(DOUBLE, relation, a, b)


def test_classes() -> None:
    ordered = [MINUS | INF, MINUS | ONE, MINUS | 1, MINUS, 0, 1, ONE, INF, SNAN, NAN]
    for bit, a in enumerate(ordered):
        s = hart(a)
        s.execute(WORDS["fclass.d"])
        assert s.x[A0] == 1 << bit


@pytest.mark.parametrize(("kind", "bits", "is_signed"), [
    ("w", 32, True), ("wu", 32, False), ("l", 64, True), ("lu", 64, False),
])  # fmt: skip
@pytest.mark.parametrize("mode", MODES)
def test_integer_conversions(kind: str, bits: int, is_signed: bool, mode: int) -> None:
    numbers = [0.5, 2.5, 2.0**31 - 0.5, 2.0**32 - 0.5, 2.0**63, 2.0**64, 0.9]
    for number in numbers:
        size = ieee.rounded(DOUBLE, RNE, Fraction(number))[0]
        for a in (size, MINUS | size, SNAN, MINUS | NAN):
            s = hart(a)
            s.execute(with_rm(f"fcvt.{kind}.d", mode))
            expected = ieee.to_integer(DOUBLE, bits, is_signed, mode, a)
            assert (int(s.x[A0]), flags(s)) == expected
    for number_ in (0, 1, (1 << 31) - 1, 0xFFFFFFFF, (1 << 63) - 1, (1 << 64) - 1):
        s = hart()
        s.x[A1] = number_
        s.execute(with_rm(f"fcvt.d.{kind}", mode))
        low = number_ % (1 << bits)
        value = low - (1 << bits) if is_signed and low >> (bits - 1) else low
        assert (int(s.f[FA0]), flags(s)) == ieee.from_integer(DOUBLE, mode, value)


@pytest.mark.parametrize("mode", MODES)
def test_narrowing_boxes(mode: int) -> None:
    for a in (THIRD, MINUS | THIRD, MAX, 1, INF, MINUS | NAN, SNAN, ONE):
        s = hart(a)
        s.execute(with_rm("fcvt.s.d", mode))
        assert (int(s.f[FA0]) ^ BOX, flags(s)) == ieee.reformat(DOUBLE, SINGLE, mode, a)


def test_tininess_is_detected_after_rounding() -> None:
    """Just below the least normal single: tiny unless 24 bits round it up to normal."""
    least = (1023 - 126) << 52
    for below, raised in [
        (1 << 27, NX),
        (1 << 28, NX),
        ((1 << 28) + 1, NX | UF),
        (1 << 29, NX | UF),
    ]:
        s = hart(least - below)
        s.execute(with_rm("fcvt.s.d", RNE))
        assert (int(s.f[FA0]) ^ BOX, flags(s)) == (1 << 23, raised)


def test_widening_wants_a_box() -> None:
    s = hart(BOX | 0x3F80_0000)
    s.execute(WORDS["fcvt.d.s"])
    assert s.f[FA0] == ONE
    s.f[FA1] = 0x3F80_0000
    s.execute(WORDS["fcvt.d.s"])
    assert (int(s.f[FA0]), flags(s)) == (NAN, 0)
    s.f[FA1] = BOX | 0x7F80_0001
    s.execute(WORDS["fcvt.d.s"])
    assert (int(s.f[FA0]), flags(s)) == (NAN, NV)


def test_memory_and_moves() -> None:
    s = hart()
    s.x[A1] = 0x1008
    s.poke(0x1000, 8, SNAN | MINUS)
    s.execute(WORDS["fld"])
    assert s.f[FA0] == SNAN | MINUS
    assert s.mstatus == DIRTY
    s.mstatus = INITIAL
    s.f[FA2] = THIRD
    s.execute(WORDS["fsd"])
    assert s.peek(0x1000, 8) == THIRD
    assert s.stores == [(0x1000, 8)]
    s.f[FA1] = SNAN
    s.execute(WORDS["fmv.x.d"])
    assert s.x[A0] == SNAN
    assert s.mstatus == INITIAL
    s.execute(WORDS["fmv.d.x"])
    assert s.f[FA0] == 0x1008
    assert s.mstatus == DIRTY


def test_exact_results_leave_the_flags_alone() -> None:
    s = hart(ONE, TWO)
    s.fcsr = OF
    s.execute(with_rm("fadd.d", RUP))
    assert (int(s.f[FA0]), int(s.fcsr)) == (THREE, OF)
