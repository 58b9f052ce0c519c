"""Run cases on several machines and tell the first register in which two of them differ."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest

from conformance import layout as at
from conformance.cases import Batch, Case, Placed, Result
from conformance.deviations import Outcome, excused
from conformance.machines import qemu_is_there, require_qemu, run_on_ours, run_on_qemu
from conformance.steps import floating
from lockstep.isa.table import decode

CASES_A_BATCH: Final = 6_000
_FULL_WEIGHT: Final = 5  # a full record takes the harness so many times longer than a light one
_SHOWN: Final = 3  # failing cases, in full


def agree(cases: Sequence[Case], *, reference: int = 500, regions: int = 12) -> list[Result]:
    """All machines end every case in the same state, which is returned.

    The reference, being slow, runs only some of the cases, worth `reference` light ones, and about
    `regions` of them are done in regions, which take a while to compile. Without
    QEMU the test is skipped at its end (or fails, where CI=true).
    """
    found: list[Result] = []
    for start in range(0, len(cases), CASES_A_BATCH):
        found += _agree(Batch(cases[start : start + CASES_A_BATCH]))
    weight = sum(_FULL_WEIGHT if case.full else 1 for case in cases)
    engines_agree(cases[:: -(-weight // reference)], regions=regions)
    require_qemu()
    return found


def engines_agree(cases: Sequence[Case], *, regions: int = 12) -> None:
    """All our engines end every case in the same state."""
    for engine, some in (("interp", cases), ("auto", cases[:: -(-len(cases) // regions)])):
        batch = Batch(some)
        ours, obvious = run_on_ours(engine, batch), run_on_ours("reference", batch)
        _compare(batch, engine, ours, "reference", obvious)


def _agree(batch: Batch) -> list[Result]:
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(run_on_qemu, batch) if qemu_is_there() else None
        ours = run_on_ours("interp", batch)
    if theirs:
        _compare(batch, "interp", ours, "QEMU", theirs.result())
    return ours


def _compare(batch: Batch, name: str, ours: list[Result], other: str, theirs: list[Result]) -> None:
    failures = []
    for number, (mine, its) in enumerate(zip(ours, theirs, strict=True)):
        if mine.same(its):
            continue
        here, there = mine.fields(), its.fields()
        wrong = [k for k, v in here.items() if v != there[k]]
        if other == "QEMU":
            allowed = excused(Outcome(mine.placed, here, there))
            wrong = [k for k in wrong if k not in allowed and "*" not in allowed]
        if wrong:
            differences = [f"{k}: {here[k]:#x} ({name}) but {there[k]:#x} ({other})" for k in wrong]
            failures.append(_report(number, mine.placed, differences))
    if failures:
        count = f"{len(failures)} of {len(batch.placed)} cases differ"
        pytest.fail("\n\n".join((count, *failures[:_SHOWN])), pytrace=False)


def _report(number: int, one: Placed, differences: list[str]) -> str:
    case, initial = one.case, one.initial()
    chosen = [f"{kind}{i}={initial[slot + i]:#x}" for kind, slot, i in _mentioned(case)]
    chosen += [f"fcsr={case.fcsr:#x}", f"mode={'US?M'[case.mode]}", f"mstatus={case.mstatus:#x}"]
    chosen += [f"{k}={one.resolve(v):#x}" for k, v in case.csrs.items()]
    chosen += [f"[{address:#x}]={value:#x}" for address, value in case.pokes]
    return "\n".join((
        f"case {number}:",
        *("    " + line for line in one.listing()),
        "  from " + " ".join(chosen),
        *("  " + line for line in differences[:6]),
    ))  # fmt: skip


def _mentioned(case: Case) -> list[tuple[str, int, int]]:
    """The registers that the case's instructions name: (x or f, first slot, number)."""
    found = set()
    for word in case.code:
        one = decode(word)
        for name, value in one.operands(word).items() if one else ():
            if name in floating(one):
                found.add(("f", at.F, value))
            elif name in {"rd", "rs1", "rs2"} and value:
                found.add(("x", at.X, value))
    return sorted(found | ({("x", at.X, 2)} if any(w & 3 != 3 for w in case.code) else set()))
