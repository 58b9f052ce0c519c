"""The commands during which the power goes, and what must be there afterwards."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from stress.powerloss.disk import Disk, Tree, read_tree, write_tree
from stress.powerloss.trace import Operation, Sync, trace
from stress.syscalls.driver import Fault
from stress.syscalls.workshop import LONG, Done, Driver, environment

_DISK: Final = "disk"
_NAME: Final = f"{_DISK}/r"
_NEW: Final = ("record", "-o", "r", *LONG, "--seed", "1")
_OLD: Final = ("record", "-o", "r", *LONG, "--seed", "2")
_FINE, _USAGE, _BAD = 0, 2, 4
_WRONG: Final = re.compile(r"Traceback|Exception ignored|Exception in thread")


@dataclass
class State:
    """A disk after the power went, and how many instructions were on it for certain by then."""

    tree: Tree
    acknowledged: int
    at: int
    """After so many operations."""
    over: bool = False
    """Whether the command had ended."""


@dataclass
class Looker:
    """Puts states on a disk, and has lockstep look at them. `consoles`: of the recordings."""

    room: Path
    driver: Driver
    consoles: dict[str, bytes] = field(default_factory=dict)

    def put(self, tree: Tree) -> None:
        """Have this, and nothing else, on the disk."""
        shutil.rmtree(self.disk, ignore_errors=True)
        self.disk.mkdir()
        write_tree(tree, self.disk)

    @property
    def disk(self) -> Path:
        """Where it is."""
        return self.room / _DISK

    def run(self, *argv: str) -> Done:
        """Run a command that looks at it."""
        return self.driver.run(self.room, *argv)

    def instructions(self, tree: Tree) -> int:
        """How far its recording reaches; 0 if there is none."""
        self.put(tree)
        done = self.run("info", "--json", _NAME)
        return int(json.loads(done.out)["instructions"]) if done.ended.status == _FINE else 0

    def make(self, *argv: str) -> None:
        """Run a command on the disk, before all is traced."""
        done = self.driver.run(self.room, *argv, below=_DISK)
        assert done.ended.status == _FINE, done


class Case(NamedTuple):
    """A command. `before` has what it finds made, `flaws` says what is wrong with a state."""

    argv: tuple[str, ...]
    before: Callable[[Looker], None]
    flaws: Callable[[Looker, State], Iterator[str]]
    grows: bool = True
    """Whether it is a recording that is acknowledged bit by bit."""


def run(case: Case, looker: Looker) -> Iterator[tuple[Disk, list[int]]]:
    """What it does to the disk; and after each operation, how many instructions are safe."""
    looker.put({})
    case.before(looker)
    before = read_tree(looker.disk)
    command = [sys.executable, "-m", "lockstep", *case.argv]
    operations = trace(command, looker.disk, environment(looker.room))
    disk = Disk(before, operations)
    if _written(disk.whole(disk.count)) != _written(read_tree(looker.disk)):
        raise RuntimeError(f"{case.argv}: the log is not all that was done")
    yield disk, _acknowledged(looker, disk, operations) if case.grows else [0] * (disk.count + 1)


def _written(tree: Tree) -> Tree:
    """All but what is shared memory, which is written to without system calls."""
    return {path: content for path, content in tree.items() if not path.endswith("-shm")}


def _acknowledged(looker: Looker, disk: Disk, operations: list[Operation]) -> list[int]:
    """A commit is on the disk when the file that it is in was synced after it, and the directory,
    without which there is no file, after that was made."""
    known: dict[int, int] = {}
    named = False
    safe = [0]
    for operation in operations:
        best = safe[-1]
        if isinstance(operation, Sync):
            named = named or not operation.path
            if named and operation.path in ("r", "r-wal"):
                if operation.covers not in known:
                    known[operation.covers] = looker.instructions(disk.whole(operation.covers))
                best = max(best, known[operation.covers])
        safe.append(best)
    return safe


def look(case: Case, looker: Looker, state: State) -> Iterator[str]:
    """What is wrong with a state."""
    looker.put(state.tree)
    yield from case.flaws(looker, state)


def _nothing(looker: Looker) -> None:
    pass


def _one(looker: Looker) -> None:
    looker.make(*_NEW)


def _another(looker: Looker) -> None:
    looker.make(*_OLD)


def _two(looker: Looker) -> None:
    looker.make(*_OLD)
    looker.make(*("out" if each == "r" else each for each in _NEW))


def _killed(looker: Looker) -> None:
    fault = Fault("sync", 0, 8)
    done = looker.driver.run(looker.room, *_NEW, fault=fault, watched=True, below=_DISK)
    assert done.ended.status < 0, done


def _clear(done: Done, what: str, allowed: tuple[int, ...]) -> Iterator[str]:
    """It worked, or the error is clear."""
    if done.ended.hung or done.ended.status not in allowed or _WRONG.search(done.err):
        yield f"{what} ends with {done.ended.status}: {done.err.strip()[-300:]}"


def _holds(
    looker: Looker, name: str, console: bytes, allowed: tuple[int, ...], *, whole: bool
) -> Iterator[str]:
    """It replays, to its end if it is to be `whole`; or the error is clear, if one is allowed."""
    done = looker.run("replay", name)
    yield from _clear(done, f"replay {name}", allowed)
    if done.ended.status == _FINE and not console.startswith(done.out):
        yield f"{name} replays something else"
    if whole and done.ended.status == _FINE and done.out != console:
        yield f"{name} is not all there"


def _recorded(looker: Looker, state: State) -> Iterator[str]:
    """What was acknowledged is there."""
    allowed = [_FINE]
    if not state.acknowledged:
        allowed.append(_BAD if "r" in state.tree else _USAGE)
    done = looker.run("info", "--json", _NAME)
    yield from _clear(done, "info", tuple(allowed))
    if done.ended.status == _FINE:
        there = json.loads(done.out)["instructions"]
        if there < state.acknowledged:
            yield f"{there} instructions are left of {state.acknowledged}"
    console = looker.consoles["new"]
    yield from _holds(looker, _NAME, console, tuple(allowed), whole=state.over)
    done = looker.run("recover", _NAME, "-o", "recovered")
    yield from _clear(done, "recover", tuple(allowed))
    if done.ended.status == _FINE:
        yield from _holds(looker, "recovered", console, (_FINE,), whole=state.over)
    (looker.room / "recovered").unlink(missing_ok=True)


def _recorded_over(looker: Looker, state: State) -> Iterator[str]:
    """The old recording is there, in its place or where the message says, or the new one is."""
    if not list(_holds(looker, _NAME, looker.consoles["old"], (_FINE,), whole=True)):
        if state.over:
            yield "the new recording is gone"
        return
    done = looker.run("info", _NAME)
    if state.acknowledged or done.ended.status == _FINE:
        yield from _recorded(looker, state)
        return
    aside = [path for path in state.tree if path.endswith("/r") and path in done.err]
    if len(aside) != 1:
        yield f"the old recording is gone, or not spoken of: {done.err.strip()}"
    for each in aside:
        yield from _holds(looker, f"{_DISK}/{each}", looker.consoles["old"], (_FINE,), whole=True)


def _packed(looker: Looker, state: State) -> Iterator[str]:
    """It is there, packed or not."""
    yield from _holds(looker, _NAME, looker.consoles["new"], (_FINE,), whole=True)


def _packed_over(looker: Looker, state: State) -> Iterator[str]:
    """The source is there, and the target is the old one or the new one."""
    yield from _holds(looker, f"{_DISK}/out", looker.consoles["new"], (_FINE,), whole=True)
    if list(_holds(looker, _NAME, looker.consoles["new"], (_FINE,), whole=True)):
        yield from _holds(looker, _NAME, looker.consoles["old"], (_FINE,), whole=True)


def _recovered(looker: Looker, state: State) -> Iterator[str]:
    """The source is there; the copy is whole, or not there yet."""
    console = looker.consoles["killed"]
    yield from _holds(looker, _NAME, console, (_FINE,), whole=True)
    if state.over or "out" in state.tree:
        yield from _holds(looker, f"{_DISK}/out", console, (_FINE,), whole=True)


CASES: Final = {
    "record": Case(_NEW, _nothing, _recorded),
    "record over another": Case((*_NEW, "--force"), _another, _recorded_over),
    "pack": Case(("pack", "r"), _one, _packed, grows=False),
    "pack over another": Case(
        ("pack", "out", "-o", "r", "--force"), _two, _packed_over, grows=False
    ),
    "recover": Case(("recover", "r", "-o", "out"), _killed, _recovered, grows=False),
}
