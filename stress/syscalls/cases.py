"""The verbs that are tried, what they find, and what must be true when they have ended."""

from __future__ import annotations

import hashlib
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from lockstep.session.naming import LATEST
from stress.syscalls.driver import Fault
from stress.syscalls.workshop import SHORT, Done, Driver

NAME: Final = "r"
_NEW: Final = ("record", "-o", NAME, *SHORT, "--seed", "1")
_OLD: Final = ("record", "-o", NAME, *SHORT, "--seed", "2")
_OURS: Final = ("stdout", "stderr", "cache", "data")
_SIDE_FILES: Final = ("-wal", "-shm", "-journal")
_WRONG: Final = re.compile(r"Traceback|Exception ignored|Exception in thread|Error in sys")
_NOTES: Final = ("lockstep: ", "  remedy: ")
_DONE, _USAGE, _HOST_FAILURE = 0, 2, 6
_TOO_LARGE: Final = "give less --memory"
"""A machine too large for the host is the user's to make smaller."""


class Room(NamedTuple):
    """A trial: where, by what driver it is looked at, what it did, the consoles that the old and
    the new recording have when they are whole, and the recordings that were replayed already."""

    path: Path
    driver: Driver
    done: Done
    consoles: dict[str, bytes]
    known: dict[bytes, Done]

    @property
    def worked(self) -> bool:
        """Whether it says that it has done what it was to do."""
        return self.done.ended.status == _DONE

    def replay(self, name: str) -> Done:
        """What is in a recording; the same is not replayed twice."""
        parts = [self.path / f"{name}{suffix}" for suffix in ("", *_SIDE_FILES)]
        digest = hashlib.sha256()
        for part in parts:
            data = part.read_bytes() if part.is_file() else b""
            digest.update(len(data).to_bytes(8, "little") + data)
        key = digest.digest()
        if key not in self.known:
            self.known[key] = self.driver.run(self.path, "replay", name)
        return self.known[key]

    def holds(self, name: str, console: bytes, *, whole: bool) -> Iterator[str]:
        """What is wrong with a recording that should hold this, or its beginning."""
        done = self.replay(name)
        if done.ended.status != _DONE:
            yield f"{name} does not replay: {done.err.strip()}"
        elif not console.startswith(done.out):
            yield f"{name} replays something else"
        elif whole and (done.out != console or "cut off" in done.err):
            yield f"{name} is not all there"


class Case(NamedTuple):
    """A verb. `before` furnishes its room, `after` says what is wrong when it has ended."""

    argv: tuple[str, ...]
    before: Callable[[Driver, Path], None]
    after: Callable[[Room], Iterator[str]]
    killed: Callable[[Room], Iterator[str]]
    """What is wrong when it has ended as if killed."""


def wrong(room: Room, case: Case, before: dict[str, bytes]) -> Iterator[str]:
    """Everything that should not have happened."""
    ended, said = room.done.ended, room.done.err
    if is_killed(room.done):
        yield from case.killed(room)
        return
    if ended.hung:
        yield "it hangs"
    allowed = {_DONE, _HOST_FAILURE} if ended.hit else {_DONE}
    if _TOO_LARGE in said:
        allowed.add(_USAGE)
    if ended.status not in allowed:
        yield f"status {ended.status}"
    if found := _WRONG.search(said):
        lines = said[found.start() :].strip().splitlines()
        own = [line.strip() for line in lines if "/lockstep/" in line]
        last = next((line for line in reversed(lines) if not line.startswith(_NOTES)), "")
        yield f"{found[0]}: {last} {own[-1] if own else ''}"
    heard = not ended.hit.endswith("/stderr")
    if heard and ended.status and not ("lockstep: " in said and "remedy: " in said):
        yield "no message, or no remedy"
    yield from _left_behind(room.path, said, before)
    yield from case.after(room)


def is_killed(done: Done) -> bool:
    """Whether there was no memory where nobody can get over that: LLVM ends the process by an
    assertion then, and what begins a thread of Python's has to."""
    of_llvm = done.ended.status == -signal.SIGABRT and "JIT session error" in done.err
    return of_llvm or (done.ended.status == _HOST_FAILURE and "no memory left" in done.err)


def contents(room: Path) -> dict[str, bytes]:
    """The files of a trial, and its directories; those of the cache apart."""
    found = {}
    for path in sorted(room.rglob("*")):
        name = str(path.relative_to(room))
        if name.split("/", maxsplit=1)[0] not in _OURS and name not in ("tmp", LATEST):
            found[name] = path.read_bytes() if path.is_file() else b""
    return found


def _left_behind(room: Path, said: str, before: dict[str, bytes]) -> Iterator[str]:
    """A file that was not there, is not asked for and not spoken of."""
    after = contents(room)
    named = [name for name in after if os.path.basename(name) in said]
    for name in after.keys() - before.keys():
        inside = any(name.startswith(f"{each}/") for each in named)
        if name not in named and not inside and not _belongs(name, after):
            yield f"{name} is left behind"


def _belongs(name: str, after: dict[str, bytes]) -> bool:
    """Whether it is a recording that was asked for, or a part of it."""
    whole = next((name.removesuffix(each) for each in _SIDE_FILES if name.endswith(each)), name)
    return whole in (NAME, "out") and whole in after


def _nothing(driver: Driver, room: Path) -> None:
    pass


def _record_old(driver: Driver, room: Path) -> None:
    driver.run(room, *_OLD)


def _record_new(driver: Driver, room: Path) -> None:
    driver.run(room, *_NEW)


def _record_killed(driver: Driver, room: Path) -> None:
    """With all that is in its -wal file."""
    fault = Fault("sync", 0, 8)
    done = driver.run(room, *_NEW, fault=fault, watched=True)
    assert done.ended.status < 0, done
    assert (room / f"{NAME}-wal").stat().st_size, "it was not killed as it ran"


def _recorded(room: Room) -> Iterator[str]:
    if room.worked and room.done.out != room.consoles["new"]:
        yield "the console has something else"
    unfinished = not room.worked and "cannot be removed" in room.done.err
    if room.worked or (not unfinished and (room.path / NAME).exists()):
        yield from room.holds(NAME, room.consoles["new"], whole=room.worked)


def _recorded_over(room: Room) -> Iterator[str]:
    """One of the two recordings is good, whichever is there."""
    if room.worked:
        yield from _recorded(room)
        return
    aside = [
        each for each in room.path.glob(f"{NAME}.*/{NAME}") if str(each.parent) in room.done.err
    ]
    if aside:
        yield from room.holds(str(aside[0]), room.consoles["old"], whole=True)
        return
    flaws = list(room.holds(NAME, room.consoles["old"], whole=True))
    if flaws and list(room.holds(NAME, room.consoles["new"], whole=False)):
        yield from flaws


def _not_begun(room: Room) -> Iterator[str]:
    """It is there in part, or it is said that it is empty."""
    if not (room.path / NAME).exists():
        return
    flaws = list(room.holds(NAME, room.consoles["new"], whole=False))
    if not any("killed as it began" in each for each in flaws):
        yield from flaws


def _kept(room: Room) -> Iterator[str]:
    """The old recording is in its place, or said to be aside; or the new one has begun."""
    said = room.replay(NAME).err
    aside = [each for each in room.path.glob(f"{NAME}.*/{NAME}") if each.parent.name in said]
    if aside:
        yield from room.holds(str(aside[0]), room.consoles["old"], whole=True)
    elif list(room.holds(NAME, room.consoles["old"], whole=True)):
        yield from room.holds(NAME, room.consoles["new"], whole=False)


def _source(room: Room) -> Iterator[str]:
    """What was read, or packed, is there."""
    yield from room.holds(NAME, room.consoles["new"], whole=True)


def _replayed(room: Room) -> Iterator[str]:
    if room.worked and room.done.out != room.consoles["new"]:
        yield "the console has something else"
    yield from room.holds(NAME, room.consoles["new"], whole=True)


def _verified(room: Room) -> Iterator[str]:
    if room.worked and b"match" not in room.done.out:
        yield "nothing was found"
    yield from room.holds(NAME, room.consoles["new"], whole=True)


def _packed(room: Room) -> Iterator[str]:
    """It is in its place, packed or not."""
    yield from room.holds(NAME, room.consoles["new"], whole=True)


def _recovered(room: Room) -> Iterator[str]:
    """Where it was killed there was all of the console."""
    yield from room.holds(NAME, room.consoles["killed"], whole=False)
    if room.worked or (room.path / "out").exists():
        yield from room.holds("out", room.consoles["killed"], whole=False)


CASES: Final = {
    "record": Case(_NEW, _nothing, _recorded, _not_begun),
    "record over another": Case((*_NEW, "--force"), _record_old, _recorded_over, _kept),
    "replay": Case(("replay", NAME), _record_new, _replayed, _source),
    "verify": Case(("verify", NAME), _record_new, _verified, _source),
    "pack": Case(("pack", NAME), _record_new, _packed, _source),
    "recover": Case(("recover", NAME, "-o", "out"), _record_killed, _recovered, _recovered),
}
