"""An initramfs made in Python: busybox, its applets as links, a few device nodes, one script.

The format is the kernel's "newc" cpio (Documentation/driver-api/early-userspace/buffer-format.rst),
gzip-compressed. The same input gives the same bytes: no times, owners or inode numbers of the host.
"""

import gzip
import re
import stat
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

INIT_SCRIPT = """\
#!/bin/sh
# A bit of everything an execution can depend on: the clock, entropy, waiting, and plain work.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
echo "lockstep: userspace reached"
uname -a
date
echo "entropy: $(head -c 16 /dev/urandom | md5sum | cut -c 1-32)"
sleep 1
seq 1 300000 | md5sum
for word in deterministic record replay; do
    echo "$word: $(echo $word | md5sum | cut -c 1-8)"
done
date
echo "lockstep: done"
poweroff -f
"""
FOLDERS = ("bin", "dev", "etc", "lib", "proc", "root", "run", "sys", "tmp")
NONE: Mapping[str, bytes] = MappingProxyType({})
HEADER = 110  # bytes: the magic and 13 numbers of 8 hexadecimal digits


class Node(NamedTuple):
    """One entry of the archive."""

    path: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def build_initramfs(
    busybox: bytes, init_script: str = INIT_SCRIPT, libraries: Mapping[str, bytes] = NONE
) -> bytes:
    """The gzip-compressed archive of a system whose /init is `init_script`, run by busybox.

    `libraries` (name to contents) go to /lib: a busybox that is not static needs its own.
    """
    nodes = [Node(folder, stat.S_IFDIR | 0o755) for folder in FOLDERS]
    nodes += [
        Node("dev/console", stat.S_IFCHR | 0o600, device=(5, 1)),
        Node("dev/null", stat.S_IFCHR | 0o666, device=(1, 3)),
        Node("bin/busybox", stat.S_IFREG | 0o755, busybox),
        Node("init", stat.S_IFREG | 0o755, init_script.encode()),
    ]
    nodes += [Node(f"lib/{name}", stat.S_IFREG | 0o755, data) for name, data in libraries.items()]
    nodes += [Node(f"bin/{name}", stat.S_IFLNK | 0o777, b"busybox") for name in applets(busybox)]
    return gzip.compress(archive(nodes), compresslevel=6, mtime=0)


def applets(busybox: bytes) -> list[str]:
    """The names a busybox answers to: its sorted table of NUL-ended words, which "[" opens."""
    table = re.search(rb"\[\0\[\[\0(?:[a-z0-9][\w.+-]*\0){20,}", busybox)
    names = table.group().decode().rstrip("\0").split("\0") if table else ["sh"]
    return [name for name in names if name != "busybox"]  # the file itself, not a link to it


def archive(nodes: list[Node]) -> bytes:
    """The nodes in newc form, closed by the trailer."""
    entries = [entry(number, node) for number, node in enumerate(nodes, start=1)]
    return b"".join([*entries, entry(0, Node("TRAILER!!!", 0))])


def entry(number: int, node: Node) -> bytes:
    """One header of 13 hexadecimal numbers, the name and the contents, each padded to 4 bytes."""
    name = node.path.encode() + b"\0"
    links = 2 if stat.S_ISDIR(node.mode) else 1
    fields = (number, node.mode, 0, 0, links, 0, len(node.data), 0, 0, *node.device, len(name), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return padded(header + name) + padded(node.data)


def files_of(unpacked: bytes) -> Iterator[tuple[str, bytes]]:
    """Path and contents of every regular file in an (already decompressed) newc archive."""
    at = 0
    while unpacked[at : at + 6] == b"070701":
        numbers = [int(unpacked[i : i + 8], 16) for i in range(at + 6, at + HEADER, 8)]
        mode, size, name_size = numbers[1], numbers[6], numbers[11]
        start = at + HEADER + name_size
        path = unpacked[at + HEADER : start - 1].decode()
        start += -start % 4
        if stat.S_ISREG(mode):
            yield path, unpacked[start : start + size]
        at = start + size + -(start + size) % 4


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
