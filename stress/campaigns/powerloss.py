"""Every state that a disk may be in after the power went while lockstep wrote to it."""

from __future__ import annotations

import os
import random
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

from stress.dice import first_seed, row
from stress.powerloss.cases import CASES, Looker, State, look
from stress.powerloss.cases import run as run_case
from stress.result import Result
from stress.syscalls.workshop import Driver, furnish, room

CLAIM: Final = (
    "whatever the disk kept when the power went, what was synced replays, a recording that was to "
    "be replaced is not lost, and the rest is a clear error"
)
FULL: Final = 1000
SAMPLE: Final = 25
_NAMES: Final = tuple(CASES)


class _Trial(NamedTuple):
    case: str
    state: State


def run(count: int) -> Result:
    """So many different states of the disk, or all, if there are not so many."""
    first = first_seed()
    dice = random.Random(first)
    with tempfile.TemporaryDirectory(prefix="stress-") as directory, ExitStack() as stack:
        base = Path(directory) / "base"
        base.mkdir()
        modules = furnish(base)
        lookers = [
            Looker(stack.enter_context(room(base)), stack.enter_context(Driver(modules)))
            for _ in range(os.cpu_count() or 1)
        ]
        consoles = _consoles(lookers[0])
        for each in lookers:
            each.consoles = consoles
        trials = [each for name in _NAMES for each in _states(name, lookers[0], dice)]
        chosen = dice.sample(trials, count) if count < len(trials) else trials
        failures = _look_at_all(chosen, lookers)
    counts = Counter(trial.case for trial in chosen)
    rows = [(f"states of the disk, {name}", f"{counts[name]:,}") for name in _NAMES]
    rows.append(("all that were built", f"{len(trials):,}"))
    return Result(len(chosen), failures, [*rows, row(first)])


def _consoles(looker: Looker) -> dict[str, bytes]:
    """What each recording replays when nothing is lost of it."""
    consoles = {}
    for name, case in (("new", "pack"), ("old", "record over another"), ("killed", "recover")):
        looker.put({})
        CASES[case].before(looker)
        consoles[name] = looker.run("replay", "disk/r").out
    return consoles


def _states(name: str, looker: Looker, dice: random.Random) -> list[_Trial]:
    """All that differ, each at the latest point at which it may be there."""
    found: dict[int, State] = {}
    for disk, acknowledged in run_case(CASES[name], looker):
        for point in range(disk.count + 1):
            for tree in disk.states(point, dice):
                key = hash(tuple(tree.items()))
                found[key] = State(tree, acknowledged[point], point, over=point == disk.count)
    return [_Trial(name, state) for state in found.values()]


def _look_at_all(trials: list[_Trial], lookers: list[Looker]) -> list[str]:
    queue: SimpleQueue[_Trial] = SimpleQueue()
    for each in trials:
        queue.put(each)
    failures: list[str] = []

    def work(looker: Looker) -> None:
        while True:
            try:
                name, state = queue.get_nowait()
            except Empty:
                return
            for flaw in look(CASES[name], looker, state):
                failures.append(f"{name}, after {state.at} operations: {flaw}")

    with ThreadPoolExecutor(len(lookers)) as pool:
        for done in [pool.submit(work, looker) for looker in lookers]:
            done.result()
    return failures
