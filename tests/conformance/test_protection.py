"""Physical memory protection: all kinds of entries, at all alignments, for every mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from conformance import layout as at
from conformance.cases import FS_DIRTY, Case, M, Result, S, U, Value
from conformance.compare import agree
from conformance.dice import Dice
from conformance.harvest import harvest
from conformance.programs import drawn
from conformance.steps import LOADS, STORES
from conformance.test_paging import ACCESSES, FETCH, POINTER, STATUS, VALUE
from instructions import encode
from lockstep.isa.csrs import CSR_NUMBERS
from lockstep.isa.privileged import STATUS_MPRV
from lockstep.isa.table import decode

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


@dataclass(frozen=True)
class Rules:
    """Priv. 3.7.1 once more, byte by byte."""

    csrs: Mapping[str, Value]
    mode: int

    def _number(self, name: str) -> int:
        value = self.csrs.get(name, at.CSR_DEFAULTS.get(name, 0))
        assert isinstance(value, int)
        return value

    def config(self, entry: int) -> int:
        return self._number(f"pmpcfg{entry // 8 * 2}") >> 8 * (entry % 8) & 0xFF

    def matches(self, entry: int, byte: int) -> bool:
        """Whether the entry's range has the byte."""
        mode, address = self.config(entry) >> 3 & 3, self._number(f"pmpaddr{entry}")
        if mode == TOR:
            base = self._number(f"pmpaddr{entry - 1}") if entry else 0
            return base <= byte >> 2 < address
        if mode == NAPOT:
            ignored = address ^ (address + 1)
            return (byte >> 2) & ~ignored == address & ~ignored
        return mode == NA4 and byte >> 2 == address

    def allow(self, address: int, size: int, permission: int) -> bool:
        """The lowest entry that has any of the bytes decides, and must have them all."""
        span = range(address, address + size)
        entries = (n for n in range(16) if any(self.matches(n, byte) for byte in span))
        first = next(entries, None)
        if first is None:
            return self.mode == M
        if not all(self.matches(first, byte) for byte in span):
            return False
        unbound = self.mode == M and not self.config(first) & LOCK
        return unbound or bool(self.config(first) & permission)

    def allow_parts(self, address: int, size: int, permission: int) -> bool:
        """The same for an access that is split at the end of a page."""
        here = min(size, -address % at.PAGE or at.PAGE)
        rest = here == size or self.allow(address + here, size - here, permission)
        return self.allow(address, here, permission) and rest


def as_the_rules_say(result: Result) -> bool:
    """Whether our access fault, or its absence, is right. Misaligned atomics aside."""
    case = result.placed.case
    access = next(word for word in case.code if word in ACCESSES or word == FETCH)
    borrowed = STATUS in case.x
    mode = case.x[STATUS] >> 11 & 3 if borrowed else case.mode
    executing, acting = Rules(case.csrs, case.mode), Rules(case.csrs, mode)
    if not executing.allow(result.placed.code, 4, 4):
        return result.cause == 1
    if access == FETCH:
        return fetches(case, executing) == (result.cause != 1)
    if result.cause in (4, 6) or decode(access).name.startswith("sc"):
        return True
    name = decode(access).name
    permission = 1 if name in LOADS or name.startswith("lr") else 2
    size = LOADS.get(name) or STORES.get(name) or (4 if name.endswith("w") else 8)
    allowed = acting.allow_parts(case.x[POINTER], size, permission)
    return allowed == (result.cause not in (5, 7))


def fetches(case: Case, rules: Rules) -> bool:
    """Whether the instruction that the case jumps to may be fetched, halfword by halfword."""
    target = case.x[POINTER] & -2
    memory = {word + i: value >> 8 * i & 3 for word, value in case.pokes for i in range(8)}
    second = memory[target] != 3 or rules.allow(target + 2, 2, 4)
    return rules.allow(target, 2, 4) and second


def test_protection() -> None:
    """Which access is permitted, also where an entry covers only a part of it or of the page."""
    results = agree(harvest("protection", drawn(protected), 4000))
    assert all(as_the_rules_say(result) for result in results)


def locked(number: int) -> Case:
    """An entry that is locked; writes to it, to the one before, and accesses from M-mode."""
    base = EDGE + 64 * number
    config = (TOR if number % 2 else NAPOT) << 3 | number % 8 & 5 | LOCK
    csrs: dict[str, Value] = {f"pmpcfg{number // 8 * 2}": config << 8 * (number % 8)}
    csrs[f"pmpaddr{number}"] = (base + 64) >> 2 if number % 2 else base >> 2 | 7
    code = []
    for name in (f"pmpaddr{number}", f"pmpaddr{max(number - 1, 0)}", "pmpcfg0", "pmpcfg2"):
        code.append(encode("csrrs", rd=20 + len(code), rs1=VALUE, csr=CSR_NUMBERS[name]))
    access = encode("lw", rd=30, rs1=POINTER) if number % 3 else encode("sw", rs1=POINTER)
    return Case([*code, access], x={POINTER: base, VALUE: 0x0707}, csrs=csrs)


def test_locked_entries() -> None:
    """They bind M-mode, and stay as they are until reset: here, for all the cases that follow."""
    agree([locked(number) for number in range(15)])
