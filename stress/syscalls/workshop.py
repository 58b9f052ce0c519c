"""Where commands are run with faults: a driver process, and directories to run them in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

import msgspec

from lockstep import places
from stress.syscalls.driver import Ended, Fault, Order

_BUILT: Final = Path(__file__).parents[2] / "guests" / "build"
_BARE: Final = ("--bios", "none", "--memory", "16M", "--idle", "skip")
SHORT: Final = ("--kernel", str(_BUILT / "reboot.elf"), *_BARE)
"""A machine that starts three times, says what time it is, and is done: so there are few calls of
each kind, and no two that are alike."""
LONG: Final = (
    *("--kernel", str(files("lockstep.ui") / "data" / "demo.elf"), "--smp", "2", *_BARE),
)
"""A machine that talks for a while, so that its log is committed more than once."""
_LIST_MODULES: Final = """
import atexit, sys
from lockstep.ui.cli.app import main
atexit.register(lambda: open("modules", "w").write("\\n".join(sorted(sys.modules))))
main()
"""


class Done(NamedTuple):
    """A command that was run."""

    ended: Ended
    out: bytes
    err: str


class Driver:
    """A process that runs commands with faults. One thread at a time may ask."""

    def __init__(self, modules: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stress.syscalls.driver", str(modules)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def run(
        self,
        room: Path,
        *argv: str,
        fault: Fault | None = None,
        watched: bool = False,
        below: str = "",
    ) -> Done:
        """Run it in the room, or in the directory `below`."""
        order = Order(list(argv), str(room), environment(room), fault, watched, below)
        assert self._process.stdin is not None, "a pipe was asked for"
        assert self._process.stdout is not None, "a pipe was asked for"
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        self._process.stdin.flush()
        ended = msgspec.json.decode(self._process.stdout.readline(), type=Ended)
        said = (room / "stderr").read_text(errors="replace")
        return Done(ended, (room / "stdout").read_bytes(), said)


def environment(room: Path) -> dict[str, str]:
    """All that lockstep keeps is in the room."""
    cache = room / "cache"
    return {
        "LOCKSTEP_CACHE": str(cache / "lockstep"),
        "XDG_CACHE_HOME": str(cache),
        "LOCKSTEP_DATA": str(room / "data"),
        "TMPDIR": str(room / "tmp"),
    }


@contextmanager
def room(template: Path) -> Iterator[Path]:
    """A copy of a directory."""
    copy = Path(tempfile.mkdtemp(prefix="trial-", dir=template.parent))
    try:
        shutil.copytree(template, copy, symlinks=True, dirs_exist_ok=True)
        yield copy
    finally:
        shutil.rmtree(copy)


def furnish(directory: Path) -> Path:
    """A room in which lockstep has been used before; the file that lists what was imported."""
    if not Path(SHORT[1]).exists():
        raise SystemExit(f"{SHORT[1]} is not built: run `make guests`")
    (directory / "tmp").mkdir()
    kept, ours = places.cache_directory(), directory / "cache" / "lockstep"
    if kept.is_dir():
        shutil.copytree(kept, ours, ignore=shutil.ignore_patterns("guests*", "regions*"))
    modules = list(_use(directory, "record", "-o", "made", *SHORT))
    modules += _use(directory, "record", "--force", "-o", "made", *LONG)  # keeps its image
    for verb in ("replay", "verify"):
        modules += _use(directory, verb, "made")
    for verb in ("pack", "recover"):
        modules += _use(directory, verb, "made", "-o", "copy")
        (directory / "copy").unlink()
    for name in ("made", "modules"):
        (directory / name).unlink()
    listed = directory.with_name("modules")
    listed.write_text("\n".join(dict.fromkeys(modules)))
    return listed


def _use(directory: Path, *argv: str) -> list[str]:
    """Run a command; the modules it needs."""
    subprocess.run(
        [sys.executable, "-c", _LIST_MODULES, *argv],
        cwd=directory, env=os.environ | environment(directory), check=True,
        stdin=subprocess.DEVNULL, capture_output=True,
    )  # fmt: skip
    return (directory / "modules").read_text().split()
