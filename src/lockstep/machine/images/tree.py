"""A device tree blob, looked through before a library that trusts it parses it.

Devicetree Specification 0.4, chapter 5. The bounds are above what any board has; with them nothing
that reads a tree takes long, or recurses deep.
"""

from __future__ import annotations

import struct
from typing import Final

from lockstep.errors import UsageError

TREE_LIMIT: Final = 2 << 20
"""Bytes, as Linux maps for it (arch/riscv: MAX_FDT_SIZE)."""
MOST_DEPTH: Final = 64
"""Nodes within nodes, as in Linux (drivers/of/fdt.c: FDT_MAX_DEPTH)."""
MOST_CHILDREN: Final = 1024
"""Nodes in a node, and properties of one."""
MOST_ITEMS: Final = 1 << 16
MOST_STRINGS: Final = 1 << 17
"""Bytes of all the names of properties."""
MOST_RESERVED: Final = 256
"""Entries of the memory reservation block."""
MOST_NAME: Final = 255

_MAGIC: Final = 0xD00DFEED
_VERSIONS: Final = (16, 17)
_HEADER: Final = struct.Struct(">10I")
_BEGIN_NODE, _END_NODE, _PROP, _NOP, _END = 1, 2, 3, 4, 9


class _Unfit(Exception):
    """What is wrong with it."""


def check_tree(data: bytes) -> None:
    """Raise UsageError unless `data` is a sound device tree blob within the bounds."""
    try:
        _Walk(data).check()
    except (_Unfit, struct.error) as error:
        raise UsageError(
            f"the device tree blob cannot be read: {error}",
            remedy="compile it with dtc -O dtb",
        ) from None


class _Walk:
    """From the header through the blob, without going back."""

    def __init__(self, data: bytes) -> None:
        _hold(_HEADER.size <= len(data) <= TREE_LIMIT, f"it has {len(data):,} bytes")
        self._data = data
        header = _HEADER.unpack_from(data)
        magic, self._end, self._at, self._names, self._reserved, self._version, oldest = header[:7]
        self._names_end = self._names + header[8]
        self._counts: list[list[int]] = []  # nodes and properties so far, of each open node
        self._items = 0
        _hold(magic == _MAGIC, "it has another magic number")
        _hold(
            self._version in _VERSIONS and oldest <= self._version,
            f"it is of version {self._version}",
        )

    def check(self) -> None:
        _hold(self._end <= len(self._data), "it is cut short")
        _hold(max(self._at, self._names_end, self._reserved) <= self._end, "a block is outside it")
        _hold(self._names_end - self._names <= MOST_STRINGS, "its names are too many")
        self._check_reserved()
        _hold(self._word() == _BEGIN_NODE, "it has no root")
        self._open(root=True)
        while self._counts:
            self._step()
        while (tag := self._word()) == _NOP:
            pass
        _hold(tag == _END, "there is something after its root")

    def _check_reserved(self) -> None:
        for at in range(self._reserved, self._reserved + 16 * MOST_RESERVED, 16):
            if struct.unpack_from(">QQ", self._data, at) == (0, 0):
                return
        raise _Unfit(f"it reserves more than {MOST_RESERVED} ranges of memory")

    def _step(self) -> None:
        tag = self._word()
        if tag == _BEGIN_NODE:
            self._open()
        elif tag == _END_NODE:
            self._counts.pop()
        elif tag == _PROP:
            self._property()
        else:
            _hold(tag == _NOP, f"there is a tag {tag} in it")

    def _open(self, *, root: bool = False) -> None:
        name = self._name(self._at, self._end)
        _hold(root or (name != b"" and b"/" not in name), "a node has no proper name")
        self._skip(len(name) + 1)
        if self._counts:
            self._count(0)
        self._counts.append([0, 0])
        _hold(len(self._counts) <= MOST_DEPTH, f"its nodes are more than {MOST_DEPTH} deep")

    def _property(self) -> None:
        size, name = self._word(), self._word()
        _hold(self._name(self._names + name, self._names_end) != b"", "a property has no name")
        self._skip(size)
        self._count(1)

    def _count(self, kind: int) -> None:
        self._items += 1
        self._counts[-1][kind] += 1
        _hold(self._counts[-1][kind] <= MOST_CHILDREN, f"a node has more than {MOST_CHILDREN}")
        _hold(self._items <= MOST_ITEMS, f"it has more than {MOST_ITEMS:,} nodes and properties")

    def _name(self, at: int, end: int) -> bytes:
        stop = self._data.find(b"\0", at, min(end, at + MOST_NAME + 1))
        name = self._data[at:stop]
        _hold(stop >= 0 and all(0x20 < byte < 0x7F for byte in name), "a name in it is no name")
        return name

    def _word(self) -> int:
        _hold(self._at + 4 <= self._end, "it ends too early")
        (word,) = struct.unpack_from(">I", self._data, self._at)
        self._at += 4
        return int(word)

    def _skip(self, size: int) -> None:
        self._at += -(-size // 4) * 4


def _hold(true: bool, otherwise: str) -> None:
    if not true:
        raise _Unfit(otherwise)
