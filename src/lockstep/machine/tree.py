"""Nodes of a device tree as plain values: what a device says of itself, and how it is flattened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Union

import fdt

Plain = int | str | bytes | Sequence[int] | Sequence[str] | None
Value = Union[Plain, "Tree"]
Tree = Mapping[str, Value]
"""A node: properties and, where the value is a mapping, child nodes."""

PLIC_PHANDLE = 1
SYSCON_PHANDLE = 2
FIRST_CPU_PHANDLE = 16


def cells(*values: int) -> tuple[int, ...]:
    """64-bit numbers as pairs of 32-bit cells."""
    return tuple(half for value in values for half in (value >> 32, value & 0xFFFF_FFFF))


def grow(node: fdt.Node, tree: Tree) -> None:
    """Add `tree` to a node of the library's."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            child = fdt.Node(name)
            grow(child, value)
            node.append(child)
        else:
            node.append(_property(name, value))


def _property(name: str, value: Plain) -> object:
    if value is None:
        return fdt.Property(name)
    if isinstance(value, bytes):
        return fdt.PropBytes(name, data=value)
    values = (value,) if isinstance(value, int | str) else value
    return fdt.PropBytes(name, data=b"".join(map(_encoded, values)))


def _encoded(value: int | str) -> bytes:
    return value.to_bytes(4, "big") if isinstance(value, int) else value.encode() + b"\0"
