"""What a command does to a directory: strace's log of it, as a list of operations."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CALLS: Final = (
    *("openat", "write", "pwrite64", "lseek", "ftruncate", "fsync", "fdatasync"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat"),
    *("link", "linkat", "symlink", "symlinkat", "writev", "pwritev", "pwritev2", "fallocate"),
    *("copy_file_range", "sendfile", "sync_file_range", "truncate"),
)
_NOT_MODELLED: Final = ("link", "writev", "pwritev", "fallocate", "copy_file", "sendf")
_LINK: Final = b"latest.lockstep"
"""Leads to the latest recording: nothing is lost with it."""
_LINE: Final = re.compile(r"(\d+) +(.*)")
_LONGEST: Final = str(1 << 24)  # bytes of a string
_UNFINISHED: Final = " <unfinished ...>"
_RESUMED: Final = re.compile(r"<\.\.\. (\w+) resumed>(.*)")
_CALL: Final = re.compile(r"(\w+)\((.*)\) += (-?\d+)(.*)", re.DOTALL)
_PART: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"|(-?\w+)<((?:\\x[0-9a-f]{2})*)>|([^,\s"<]+)')


@dataclass(frozen=True)
class Write:
    """Bytes into a file."""

    path: str
    at: int
    data: bytes


@dataclass(frozen=True)
class Resize:
    """A file gets another size."""

    path: str
    size: int


@dataclass(frozen=True)
class Create:
    """A file, empty, or a directory."""

    path: str
    directory: bool = False


@dataclass(frozen=True)
class Rename:
    """A file or directory gets another name."""

    path: str
    target: str


@dataclass(frozen=True)
class Remove:
    """A name goes."""

    path: str


@dataclass(frozen=True)
class Sync:
    """What was done to the file, or the directory, by the first `covers` operations is safe."""

    path: str
    covers: int


Operation = Write | Resize | Create | Rename | Remove | Sync


def trace(argv: list[str], directory: Path, environment: Mapping[str, str]) -> list[Operation]:
    """Run it there; what it did to what is in the directory, by paths relative to it."""
    log = directory.with_name(f"{directory.name}.strace")
    present = {str(each.relative_to(directory)) for each in directory.rglob("*")}
    done = subprocess.run(
        [
            *("strace", "-f", "-y", "-xx", "-s", _LONGEST, "-e", "signal=none", "-o", str(log)),
            *("-e", f"trace={','.join(_CALLS)}", *argv),
        ],
        cwd=directory, env=os.environ | dict(environment), check=False, capture_output=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{argv} ends with {done.returncode}: {done.stderr.decode()}")
    with log.open() as lines:
        return _Log(os.path.realpath(directory), present).read(lines)


class _Log:
    """The lines of a log, understood one after the other."""

    def __init__(self, root: str, present: set[str]) -> None:
        self._root = root
        self._present = present
        self._operations: list[Operation] = []
        self._begun: dict[str, tuple[str, int]] = {}  # by thread
        self._offsets: dict[str, int] = {}  # by descriptor

    def read(self, lines: Iterator[str]) -> list[Operation]:
        for line in lines:
            found = _LINE.match(line.rstrip("\n"))
            if found is not None:
                self._line(found[1], found[2])
        return self._operations

    def _line(self, thread: str, text: str) -> None:
        covers = len(self._operations)
        if text.endswith(_UNFINISHED):
            self._begun[thread] = text.removesuffix(_UNFINISHED), covers
            return
        if (resumed := _RESUMED.match(text)) is not None:
            start, covers = self._begun.pop(thread)
            text = start + resumed[2]
        call = _CALL.match(text)
        if call is not None and int(call[3]) >= 0:
            parts = [part for each in _PART.finditer(call[2]) for part in _decode(each)]
            self._call(call[1], parts, int(call[3]), covers)

    def _call(self, name: str, parts: list[str | bytes], result: int, covers: int) -> None:
        if any(isinstance(each, bytes) and _LINK in each for each in parts):
            return
        if name.startswith(_NOT_MODELLED):
            if any(self._inside(each) is not None for each in parts):
                raise NotImplementedError(f"{name} is not modelled")
        elif name == "openat":
            self._open(parts, result)
        elif name.startswith(("mkdir", "unlink", "rmdir", "rename")):
            self._names(name, [each for each in map(self._inside, parts) if each is not None])
        elif isinstance(parts[1], bytes) and parts[1].startswith(b"/"):  # else it is a pipe
            path = self._inside(parts[1])
            if path is not None:
                self._content(name, path, parts, result, covers)

    def _open(self, parts: list[str | bytes], result: int) -> None:
        path, flags = self._inside(parts[2]), str(parts[3])
        if path is None:
            return
        self._offsets[str(result)] = 0
        if "O_CREAT" in flags and path not in self._present:
            self._present.add(path)
            self._operations.append(Create(path))
        if "O_TRUNC" in flags:
            self._operations.append(Resize(path, 0))

    def _names(self, name: str, paths: list[str]) -> None:
        if not paths:
            return
        if name.startswith("mkdir"):
            self._present.add(paths[0])
            self._operations.append(Create(paths[0], directory=True))
        elif name.startswith("rename"):
            self._present -= {paths[0]}
            self._present |= {paths[1]}
            self._operations.append(Rename(paths[0], paths[1]))
        else:
            self._present -= {paths[-1]}
            self._operations.append(Remove(paths[-1]))

    def _content(
        self, name: str, path: str, parts: list[str | bytes], result: int, covers: int
    ) -> None:
        """A call whose first argument is an open file."""
        descriptor = str(parts[0])
        if name in ("fsync", "fdatasync"):
            self._operations.append(Sync(path, covers))
        elif name == "pwrite64":
            self._write(path, int(parts[4]), parts[2], result)
        elif name == "write":
            at = self._offsets.get(descriptor, 0)
            self._write(path, at, parts[2], result)
            self._offsets[descriptor] = at + result
        elif name == "lseek":
            self._offsets[descriptor] = result
        elif name == "ftruncate":
            self._operations.append(Resize(path, int(str(parts[2]), 0)))

    def _write(self, path: str, at: int, data: str | bytes, size: int) -> None:
        assert isinstance(data, bytes), "a string was printed"
        self._operations.append(Write(path, at, data[:size]))

    def _inside(self, part: str | bytes) -> str | None:
        """The path relative to the directory; "" is the directory itself."""
        if not isinstance(part, bytes):
            return None
        full = os.path.normpath(os.path.join(self._root, os.fsdecode(part)))
        if full == self._root:
            return ""
        return full[len(self._root) + 1 :] if full.startswith(f"{self._root}/") else None


def _decode(found: re.Match[str]) -> Iterator[str | bytes]:
    """An argument; of a descriptor its number, and what it is."""
    text, descriptor, target, word = found.groups()
    if word is not None:
        yield word
    elif text is not None:
        yield _bytes(text)
    else:
        yield descriptor
        yield _bytes(target)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
