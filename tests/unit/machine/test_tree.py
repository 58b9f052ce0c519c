"""A device tree blob is looked through before anything that trusts it reads it."""

import struct
from collections.abc import Callable

import fdt
import pytest

from lockstep.errors import UsageError
from lockstep.machine.board import BoardConfig
from lockstep.machine.dtb import Initrd, make_dtb
from lockstep.machine.images.tree import (
    MOST_CHILDREN,
    MOST_DEPTH,
    MOST_RESERVED,
    TREE_LIMIT,
    check_tree,
)

SOUND = make_dtb(BoardConfig(memory=1 << 27), None, b"")
BEGIN, LEAVE, PROP, NOP, END = (n.to_bytes(4, "big") for n in (1, 2, 3, 4, 9))


def blob(body: bytes, names: bytes = b"a\0", reserved: int = 0) -> bytes:
    """A device tree blob around the structure block `body`."""
    ranges = struct.pack(">QQ", 0x8000_0000, 0x1000) * reserved + bytes(16)
    tree = 40 + len(ranges)
    end = tree + len(body) + len(names)
    header = (0xD00DFEED, end, tree, tree + len(body), 40, 17, 16, 0, len(names), len(body))
    return struct.pack(">10I", *header) + ranges + body + names


def node(*inside: bytes, name: bytes = b"") -> bytes:
    return BEGIN + name + bytes(4 - len(name) % 4) + b"".join(inside) + LEAVE


def prop(value: bytes = b"", name: int = 0) -> bytes:
    return PROP + struct.pack(">II", len(value), name) + value + bytes(-len(value) % 4)


def deep(depth: int) -> bytes:
    body = node(name=b"x")
    for _ in range(depth - 2):
        body = node(body, name=b"x")
    return node(body) + END


def header(offset: int, value: int) -> bytes:
    changed = bytearray(SOUND)
    struct.pack_into(">I", changed, offset, value)
    return bytes(changed)


@pytest.mark.parametrize(
    "data",
    [
        SOUND,
        SOUND + bytes(1000),
        blob(node(NOP, prop(b"xy"), node(name=b"b"), NOP) + NOP + END),
        blob(deep(MOST_DEPTH)),
        blob(node() + END, reserved=MOST_RESERVED - 1),
    ],
)
def test_a_sound_tree_is_let_through(data: bytes) -> None:
    """Padding after it does not matter; dtc and QEMU leave some."""
    check_tree(data)


CASES: dict[str, Callable[[], bytes]] = {
    "enormous": lambda: SOUND + bytes(TREE_LIMIT),
    "another magic": lambda: header(0, 0xEDFE0DD0),
    "its size": lambda: header(4, 0xFFFF_FFFF),
    "structure outside": lambda: header(8, 0xFFFF_FFF0),
    "strings outside": lambda: header(12, 0xFFFF_FFF0),
    "reserved outside": lambda: header(16, 0xFFFF_FFF0),
    "reserved without end": lambda: blob(node() + END, reserved=MOST_RESERVED),
    "version 3": lambda: header(20, 3),
    "version 18": lambda: header(20, 18),
    "for newer readers": lambda: header(24, 18),
    "names without end": lambda: blob(node(prop()) + END, names=b"aaaa"),
    "name outside": lambda: blob(node(prop(name=2)) + END),
    "name far outside": lambda: blob(node(prop(name=0xFFFF_FFFF)) + END),
    "long name": lambda: blob(node(prop()) + END, names=b"a" * 300 + b"\0"),
    "name not ascii": lambda: blob(node(prop()) + END, names=b"\xff\0"),
    "node without name": lambda: blob(node(node()) + END),
    "node with a slash": lambda: blob(node(node(name=b"a/b")) + END),
    "too deep": lambda: blob(deep(MOST_DEPTH + 1)),
    "very deep": lambda: blob(deep(3000)),
    "never closed": lambda: blob(BEGIN + bytes(4) + END),
    "two roots": lambda: blob(node() + node() + END),
    "no root": lambda: blob(END),
    "closed twice": lambda: blob(node() + LEAVE + END),
    "property outside": lambda: blob(prop() + END),
    "absurd property": lambda: blob(BEGIN + bytes(4) + PROP + b"\xff" * 4 + bytes(4)),
    "odd tag": lambda: blob(node(b"\0\0\0\7") + END),
    "no end": lambda: blob(node()),
    "many properties": lambda: blob(node(prop() * (MOST_CHILDREN + 1)) + END),
    "many nodes": lambda: blob(node(node(name=b"a") * (MOST_CHILDREN + 1)) + END),
}


@pytest.mark.parametrize("case", CASES)
def test_any_other_is_refused(case: str) -> None:
    """In no time, and with a remedy."""
    with pytest.raises(UsageError, match="device tree blob cannot be read") as refused:
        check_tree(CASES[case]())
    assert "dtc" in refused.value.remedy


def test_every_cut_is_refused() -> None:
    """Wherever it ends."""
    for end in range(len(SOUND)):
        with pytest.raises(UsageError):
            check_tree(SOUND[:end])


def test_what_the_library_does_not_take_is_refused_too() -> None:
    """Here the same name twice: dtc refuses that as well."""
    twice = blob(node(prop(), prop()) + END)
    config = BoardConfig(memory=1 << 27, dtb=twice, bootargs="x")
    with pytest.raises(UsageError, match="cannot be added to"):
        make_dtb(config, None, b"")


def test_reserved_ranges_of_one_boot_are_not_those_of_the_next() -> None:
    """The same blob gives the same tree, however many there were in this process."""
    config = BoardConfig(
        memory=1 << 27, dtb=blob(node() + END, reserved=2), bootargs="x", kernel=b"k"
    )
    first = make_dtb(config, Initrd(1, 2), b"")
    assert make_dtb(config, Initrd(1, 2), b"") == first
    assert len(fdt.parse_dtb(first).entries) >= 2
    assert make_dtb(BoardConfig(memory=1 << 27), None, b"") == SOUND
