"""RV64F, instruction by instruction: encodings, NaN boxing, rounding modes, flags, mstatus.FS."""

from __future__ import annotations

from typing import Any

import pytest

from fakes import ieee
from fakes.hart import FakeHart, GuestTrap
from fakes.ieee import DZ, NV, NX, OF, RDN, RMM, RNE, RTZ, RUP, SINGLE
from lockstep.isa.table import decode, table

# As the GNU assembler encodes them for fa0, fa1, fa2, fa3 (or a0, a1, and -8(a1) in memory);
# fadd says rtz and the conversions to integers rmm, the others leave rounding to frm.
WORDS = {
    "flw": 0xFF85A507,
    "fsw": 0xFEC5AC27,
    "fmadd.s": 0x68C5F543,
    "fmsub.s": 0x68C5F547,
    "fnmsub.s": 0x68C5F54B,
    "fnmadd.s": 0x68C5F54F,
    "fadd.s": 0x00C59553,
    "fsub.s": 0x08C5F553,
    "fmul.s": 0x10C5F553,
    "fdiv.s": 0x18C5F553,
    "fsqrt.s": 0x5805F553,
    "fsgnj.s": 0x20C58553,
    "fsgnjn.s": 0x20C59553,
    "fsgnjx.s": 0x20C5A553,
    "fmin.s": 0x28C58553,
    "fmax.s": 0x28C59553,
    "feq.s": 0xA0C5A553,
    "flt.s": 0xA0C59553,
    "fle.s": 0xA0C58553,
    "fclass.s": 0xE0059553,
    "fcvt.w.s": 0xC005C553,
    "fcvt.wu.s": 0xC015C553,
    "fcvt.l.s": 0xC025C553,
    "fcvt.lu.s": 0xC035C553,
    "fcvt.s.w": 0xD005F553,
    "fcvt.s.wu": 0xD015F553,
    "fcvt.s.l": 0xD025F553,
    "fcvt.s.lu": 0xD035F553,
    "fmv.x.w": 0xE0058553,
    "fmv.w.x": 0xF0058553,
}
FA0, FA1, FA2, FA3 = 10, 11, 12, 13
A0, A1 = 10, 11
INITIAL, DIRTY = 1 << 13, 3 << 13  # mstatus.FS
BOX = 0xFFFF_FFFF_0000_0000
MINUS = 1 << 31
ONE, TWO, THREE, TENTH = 0x3F800000, 0x40000000, 0x40400000, 0x3DCCCCCD
MAX, INF, NAN, SNAN = 0x7F7FFFFF, 0x7F800000, 0x7FC00000, 0x7F800001


def hart(*values: int, frm: int = RNE) -> Any:
    """fa1, fa2, fa3 hold `values`, boxed; FS is Initial."""
    s = FakeHart()
    s.mstatus = INITIAL
    s.fcsr = frm << 5
    for register, value in enumerate(values, FA1):
        s.f[register] = BOX | value
    return s


def with_rm(name: str, rm: int) -> int:
    return WORDS[name] & ~0x7000 | rm << 12


def flags(s: Any) -> int:
    return int(s.fcsr) & 31


def fs(s: Any) -> int:
    return int(s.mstatus) & DIRTY


def test_every_encoding_is_known_by_its_name() -> None:
    for name, word in WORDS.items():
        one = decode(word)
        assert one is not None
        assert one.name == name
    assert {one.name for one in table() if one.ext == "F"} == set(WORDS)


@pytest.mark.parametrize("name", WORDS)
def test_fs_off_is_illegal(name: str) -> None:
    s = hart(ONE, TWO, THREE)
    s.mstatus = 0
    with pytest.raises(GuestTrap) as caught:
        s.execute(WORDS[name])
    assert (caught.value.cause, caught.value.tval) == (2, WORDS[name])


ROUNDING = [
    *("fadd.s", "fsub.s", "fmul.s", "fdiv.s", "fsqrt.s", "fmadd.s", "fmsub.s", "fnmsub.s"),
    *("fnmadd.s", "fcvt.w.s", "fcvt.wu.s", "fcvt.l.s", "fcvt.lu.s", "fcvt.s.w", "fcvt.s.wu"),
    *("fcvt.s.l", "fcvt.s.lu"),
]


@pytest.mark.parametrize("name", ROUNDING)
@pytest.mark.parametrize(("rm", "frm"), [(5, 0), (6, 0), (7, 5), (7, 6), (7, 7)])
def test_reserved_rounding_modes_are_illegal(name: str, rm: int, frm: int) -> None:
    s = hart(ONE, TWO, THREE, frm=frm)
    with pytest.raises(GuestTrap) as caught:
        s.execute(with_rm(name, rm))
    assert (caught.value.cause, caught.value.tval) == (2, with_rm(name, rm))
    assert fs(s) == INITIAL


def test_a_static_mode_ignores_a_reserved_frm() -> None:
    s = hart(ONE, TWO, frm=7)
    s.execute(with_rm("fadd.s", RTZ))
    assert s.f[FA0] == BOX | THREE


@pytest.mark.parametrize(
    ("name", "operation"),
    [("fadd.s", ieee.add), ("fsub.s", ieee.sub), ("fmul.s", ieee.mul), ("fdiv.s", ieee.div)],
)
@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("mode", [RNE, RTZ, RDN, RUP, RMM])
def test_arithmetic(name: str, operation: Any, dynamic: bool, mode: int) -> None:
    for a, b in [(TENTH, THREE), (THREE, TENTH), (MAX, MAX), (ONE, 0), (SNAN, ONE), (1, TENTH)]:
        s = hart(a, b, frm=mode if dynamic else 0)
        s.execute(with_rm(name, 7 if dynamic else mode))
        assert (int(s.f[FA0]) ^ BOX, flags(s)) == operation(SINGLE, mode, a, b)
        assert fs(s) == DIRTY


@pytest.mark.parametrize(
    ("name", "product", "addend"),
    [("fmadd.s", 0, 0), ("fmsub.s", 0, MINUS), ("fnmsub.s", MINUS, 0), ("fnmadd.s", MINUS, MINUS)],
)
@pytest.mark.parametrize("mode", [RNE, RTZ, RDN, RUP, RMM])
def test_fused(name: str, product: int, addend: int, mode: int) -> None:
    for a, b, c in [(TENTH, THREE, ONE), (TENTH, TENTH, MAX), (ONE, TWO, TWO), (0, INF, NAN)]:
        s = hart(a, b, c, frm=mode)
        s.execute(WORDS[name])
        expected = ieee.fma(SINGLE, mode, a ^ product, b, c ^ addend)
        assert (int(s.f[FA0]) ^ BOX, flags(s)) == expected


def test_fsqrt() -> None:
    for a in (TWO, ONE, MINUS, MINUS | ONE, INF, SNAN):
        s = hart(a)
        s.execute(WORDS["fsqrt.s"])
        assert (int(s.f[FA0]) ^ BOX, flags(s)) == ieee.sqrt(SINGLE, RNE, a)


def test_flags_accrue() -> None:
    s = hart(ONE, 0)
    s.fcsr = 0xE0 | NX
    s.execute(with_rm("fdiv.s", RNE))
    assert s.fcsr == 0xE0 | NX | DZ


def test_sign_injection() -> None:
    for a, b in [(ONE, MINUS), (MINUS | ONE, MINUS), (MINUS | SNAN, 0), (NAN, MINUS | TWO)]:
        signs = a & MINUS, b & MINUS
        for name, sign in [
            ("fsgnj.s", signs[1]),
            ("fsgnjn.s", signs[1] ^ MINUS),
            ("fsgnjx.s", signs[0] ^ signs[1]),
        ]:
            s = hart(a, b)
            s.execute(WORDS[name])
            assert s.f[FA0] == BOX | a & ~MINUS | sign
            assert flags(s) == 0


def test_extremes_prefer_numbers() -> None:
    for a, b, least, most, raised in [
        (MINUS, 0, MINUS, 0, 0),
        (ONE, NAN, ONE, ONE, 0),
        (SNAN, TWO, TWO, TWO, NV),
        (NAN, MINUS | NAN, NAN, NAN, 0),
    ]:
        for name, expected in [("fmin.s", least), ("fmax.s", most)]:
            s = hart(a, b)
            s.execute(WORDS[name])
            assert (int(s.f[FA0]) ^ BOX, flags(s)) == (expected, raised)


def test_comparisons() -> None:
    for a, b in [(ONE, TWO), (TWO, ONE), (0, MINUS), (NAN, ONE), (ONE, SNAN), (INF, INF)]:
        for name in ("eq", "lt", "le"):
            s = hart(a, b)
            s.execute(WORDS[f"f{name}.s"])
            assert (int(s.x[A0]), flags(s)) == ieee.compare(SINGLE, name, a, b)
            assert fs(s) == (DIRTY if flags(s) else INITIAL)


def test_classes() -> None:
    ordered = [MINUS | INF, MINUS | ONE, MINUS | 1, MINUS, 0, 1, ONE, INF, SNAN, NAN]
    for bit, a in enumerate(ordered):
        s = hart(a)
        s.execute(WORDS["fclass.s"])
        assert s.x[A0] == 1 << bit
        assert fs(s) == INITIAL


@pytest.mark.parametrize(("kind", "bits", "is_signed"), [
    ("w", 32, True), ("wu", 32, False), ("l", 64, True), ("lu", 64, False),
])  # fmt: skip
@pytest.mark.parametrize("mode", [RNE, RTZ, RDN, RUP, RMM])
def test_integer_conversions(kind: str, bits: int, is_signed: bool, mode: int) -> None:
    for a in (0, MINUS | 0x3F000000, 0x40200000, 0x4F000000, 0xCF000000, 0x5F800000, NAN, INF):
        s = hart(a)
        s.execute(with_rm(f"fcvt.{kind}.s", mode))
        expected = ieee.to_integer(SINGLE, bits, is_signed, mode, a)
        assert (int(s.x[A0]), flags(s)) == expected
    for number in (0, 1, (1 << 31) - 1, 0xFFFFFFFF, (1 << 63) - 1, (1 << 64) - 1):
        s = hart(frm=mode)
        s.x[A1] = number
        s.execute(WORDS[f"fcvt.s.{kind}"] | 0x7000)
        low = number % (1 << bits)
        value = low - (1 << bits) if is_signed and low >> (bits - 1) else low
        expected = ieee.from_integer(SINGLE, mode, value)
        assert (int(s.f[FA0]) ^ BOX, flags(s)) == expected


def test_operands_not_boxed_are_nan() -> None:
    for raw in (ONE, 0xFFFF_FFFE_0000_0000 | ONE, 0x7FFF_FFFF_0000_0000 | ONE):
        s = hart(ONE, TWO)
        s.f[FA1] = raw
        s.execute(WORDS["fmul.s"])
        assert (int(s.f[FA0]), flags(s)) == (BOX | NAN, 0)
        s.execute(WORDS["fclass.s"])
        assert s.x[A0] == 1 << 9
        s.execute(WORDS["fsgnj.s"])
        assert s.f[FA0] == BOX | NAN
        s.execute(WORDS["fmv.x.w"])  # bits are moved and stored as they are
        assert s.x[A0] == ONE
        s.x[A1] = 0x1008
        s.f[FA2] = raw
        s.execute(WORDS["fsw"])
        assert s.peek(0x1000, 8) == ONE


def test_memory() -> None:
    s = hart()
    s.x[A1] = 0x1008
    s.poke(0x1000, 8, 0x1234_5678_8765_4321)
    s.execute(WORDS["flw"])
    assert s.f[FA0] == BOX | 0x8765_4321
    assert fs(s) == DIRTY
    s.f[FA2] = BOX | TENTH
    s.mstatus = INITIAL
    s.execute(WORDS["fsw"])
    assert s.peek(0x1000, 8) == 0x1234_5678_0000_0000 | TENTH
    assert s.stores == [(0x1000, 4)]
    assert fs(s) == INITIAL


def test_moves() -> None:
    s = hart(MINUS | SNAN)
    s.execute(WORDS["fmv.x.w"])
    assert s.x[A0] == 0xFFFF_FFFF_0000_0000 | MINUS | SNAN
    assert fs(s) == INITIAL
    s.x[A1] = 0x1234_5678_8000_0001
    s.execute(WORDS["fmv.w.x"])
    assert s.f[FA0] == BOX | 0x8000_0001
    assert fs(s) == DIRTY
    assert flags(s) == 0


def test_overflow_in_every_mode() -> None:
    for mode, expected in [(RNE, INF), (RTZ, MAX), (RDN, MAX), (RUP, INF), (RMM, INF)]:
        s = hart(MAX, TWO, frm=mode)
        s.execute(WORDS["fmul.s"])
        assert (int(s.f[FA0]) ^ BOX, flags(s)) == (expected, OF | NX)
