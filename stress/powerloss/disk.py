"""What may be on a disk after the host's power went, by what was written and synced.

The model. The disk writes sectors of 512 bytes, each of them whole or not at all. Of what was
written since the last sync of a file any sectors may be there, in any order, and a file may have
become longer without them: then there are zeros. Each change of a name (a file made, removed,
renamed) is there or not, whole, and for itself, until the file or one of its directories was synced
after it; but nothing is in a directory that is not there, and no name is made before it is free.
This is weaker than what ext4, XFS and Btrfs do, which keep the order of changes of names: what
holds here, holds there.

Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014), tell why.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stress.powerloss.trace import Create, Operation, Remove, Rename, Resize, Sync, Write

_SECTOR: Final = 512
_NEVER: Final = 1 << 60
_MOST_SINGLES: Final = 24
_RANDOM: Final = 6

Tree = Mapping[str, bytes | None]
"""Files by path, and directories, which are None."""


@dataclass
class Change:
    """A part of an operation that is on the disk or not. `index`: of the operation; `safe`: of the
    sync after which it is there for certain."""

    index: int
    safe: int = _NEVER


@dataclass
class Data(Change):
    """Bytes of a file; None: up to `at` there are zeros, or nothing beyond it."""

    inode: int = 0
    at: int = 0
    data: bytes | None = None


@dataclass
class Names(Change):
    """Names that stand for other inodes now; None: for none."""

    names: tuple[tuple[str, int | None], ...] = ()
    makes: bool = False
    """Whether a name is made, which it cannot be while it stands for something else."""
    touched: frozenset[int] = frozenset()
    """The inodes that have, or had, one of them."""


class Disk:
    """A directory, and what was done to it: `count` operations."""

    def __init__(self, before: Tree, operations: Sequence[Operation]) -> None:
        self._paths: dict[str, int] = {}
        self._contents: dict[int, bytes | None] = {}
        for path, content in before.items():
            self._paths[path] = self._inode(content)
        self._before = dict(self._paths)
        self._changes: list[Change] = []
        self.count = len(operations)
        for index, operation in enumerate(operations):
            self._apply(index, operation)

    def safe(self, point: int) -> Tree:
        """What is there for certain, if the power goes after so many operations."""
        return self._tree(point, set())

    def whole(self, point: int) -> Tree:
        """What is there if nothing was lost."""
        return self._tree(point, set(range(len(self._pending(point)))))

    def states(self, point: int, dice: random.Random) -> Iterator[Tree]:
        """Everything, nothing, all but one and only one of what is not safe; names alone, contents
        alone, the end of a write as zeros; and some by lot."""
        pending = self._pending(point)
        everything = set(range(len(pending)))
        data = {n for n in everything if isinstance(pending[n], Data)}
        yield self._tree(point, everything)
        yield self._tree(point, set())
        yield self._tree(point, data)
        yield self._tree(point, everything - data)
        for one in dice.sample(sorted(everything), min(len(pending), _MOST_SINGLES)):
            yield self._tree(point, everything - {one})
            yield self._tree(point, {one})
        if data:
            yield self._tree(point, everything, blank=max(data))
        for _ in range(_RANDOM if len(pending) > 1 else 0):
            yield self._tree(point, {n for n in everything if dice.random() < 0.5})

    def _pending(self, point: int) -> list[Change]:
        return [each for each in self._changes if each.index < point < each.safe]

    def _tree(self, point: int, chosen: set[int], blank: int | None = None) -> Tree:
        """With what is safe, and what is chosen of the rest."""
        paths = dict(self._before)
        contents: dict[int, bytearray] = {
            inode: bytearray(content or b"") for inode, content in self._contents.items()
        }
        numbers = {id(each): n for n, each in enumerate(self._pending(point))}
        for change in self._changes:
            number = numbers.get(id(change))
            if change.index >= point or (number is not None and number not in chosen):
                continue
            if isinstance(change, Data):
                _put(contents[change.inode], change, blank=number is not None and number == blank)
            elif isinstance(change, Names):
                self._name(paths, change)
        return {
            path: None if self._contents[inode] is None else bytes(contents[inode])
            for path, inode in sorted(paths.items())
        }

    def _name(self, paths: dict[str, int], change: Names) -> None:
        for path, inode in change.names:
            parent = os.path.dirname(path)
            if inode is not None and parent and parent not in paths:
                return  # nothing is in a directory that is not there
            if change.makes and path in paths:
                return  # it was not free
            if inode is None and any(each.startswith(f"{path}/") for each in paths):
                return  # nor is a directory removed with what is in it
        for path, inode in change.names:
            if inode is None:
                paths.pop(path, None)
            else:
                paths[path] = inode

    def _inode(self, content: bytes | None) -> int:
        inode = len(self._contents)
        self._contents[inode] = content
        return inode

    def _apply(self, index: int, operation: Operation) -> None:
        match operation:
            case Write(path, at, data):
                self._write(index, self._paths.get(path), at, data)
            case Resize(path, size):
                inode = self._paths.get(path)
                if inode is not None:
                    self._changes.append(Data(index, inode=inode, at=size))
            case Create(path, directory):
                new = self._inode(None if directory else b"")
                self._rename(index, ((path, new),), makes=True)
            case Rename(path, target):
                self._move(index, path, target)
            case Remove(path):
                self._rename(index, ((path, None),))
            case Sync(path, covers):
                self._sync(index, path, covers)

    def _write(self, index: int, inode: int | None, at: int, data: bytes) -> None:
        if inode is None:  # its file was removed
            return
        while data:
            size = _SECTOR - at % _SECTOR
            self._changes.append(Data(index, inode=inode, at=at, data=data[:size]))
            at, data = at + size, data[size:]

    def _move(self, index: int, path: str, target: str) -> None:
        below = [each for each in self._paths if each.startswith(f"{path}/")]
        names: list[tuple[str, int | None]] = []
        for each in (path, *below):
            names.append((each, None))
            names.append((target + each[len(path) :], self._paths[each]))
        self._rename(index, tuple(names))

    def _rename(
        self, index: int, names: tuple[tuple[str, int | None], ...], *, makes: bool = False
    ) -> None:
        inodes = [inode for _, inode in names] + [self._paths.get(path) for path, _ in names]
        touched = frozenset(inode for inode in inodes if inode is not None)
        change = Names(index, names=names, makes=makes, touched=touched)
        self._changes.append(change)
        self._name(self._paths, change)

    def _sync(self, index: int, path: str, covers: int) -> None:
        inode = self._paths.get(path)
        for change in self._changes:
            if change.index >= covers or change.safe != _NEVER:
                continue
            if isinstance(change, Data):
                done = inode is not None and change.inode == inode
            else:
                assert isinstance(change, Names), "there are two kinds"
                inside = any(os.path.dirname(name) == path for name, _ in change.names)
                is_directory = not path or (inode is not None and self._contents[inode] is None)
                done = (inside and is_directory) or inode in change.touched
            if done:
                change.safe = index + 1


def _put(content: bytearray, change: Data, *, blank: bool) -> None:
    """Apply it. `blank`: only the size has changed."""
    if change.data is None:
        del content[change.at :]
        content.extend(bytes(change.at - len(content)))
        return
    end = change.at + len(change.data)
    content.extend(bytes(max(0, end - len(content))))
    if not blank:
        content[change.at : end] = change.data


def read_tree(directory: Path) -> Tree:
    """What is there."""
    return {
        str(each.relative_to(directory)): each.read_bytes() if each.is_file() else None
        for each in sorted(directory.rglob("*"))
        if not each.is_symlink()
    }


def write_tree(tree: Tree, directory: Path) -> None:
    """Make it so, in an empty directory."""
    for path, content in tree.items():
        if content is None:
            (directory / path).mkdir()
        else:
            (directory / path).write_bytes(content)
