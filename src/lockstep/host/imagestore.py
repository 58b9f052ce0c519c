"""Images that machines were recorded with, kept by SHA-256 for the replays.

So a kernel that is built anew leaves yesterday's recording replayable. What is kept is a copy: one
that shares its blocks with the image where the file system can do that (FICLONE), or else one that
is compressed. Rejected: hard links. Whoever writes over the image in place, as cp, dd and objcopy
do, would change what is kept.

Nothing that is kept is trusted: it is what its name says, or is not used. Readers write nothing.
"""

import errno
import fcntl
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import zstandard

from lockstep.errors import is_of_host
from lockstep.host.plainfile import open_plain, read_plain

LIMIT: Final = 2 << 30
"""Bytes of all that is kept, if the user says nothing else."""

_FICLONE: Final = 0x40049409  # linux/fs.h
_PACKED: Final = ".zst"
_LEVEL: Final = 1  # a recording should begin at once: 0.1 s for a kernel
_NAME: Final = re.compile(r"([0-9a-f]{64})(\.zst)?")
_PIECE: Final = 1 << 20
_STALE_S: Final = 3600.0

Clone = Callable[[int, int], None]


class Kept(NamedTuple):
    """An image that is kept: its bytes on disk, and when it was last recorded with (Unix time)."""

    sha256: str
    bytes: int
    used: float


class ImageStore:
    """The images below `directory`, which need not exist; at most `limit` bytes of them.

    When there are more, those go that have not been recorded with for longest.
    """

    def __init__(self, directory: Path, limit: int = LIMIT, clone: Clone | None = None) -> None:
        self.directory = directory
        self.limit = limit
        self._clone = clone or _clone

    def keep(self, sha256: str, data: bytes, source: str) -> None:
        """Keep the contents of the file `source`, unless they are already. Raises OSError."""
        if len(data) > self.limit or self._renew(sha256, len(data)):
            return
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        number, name = tempfile.mkstemp(prefix=".", dir=self.directory)  # of mode 0600
        try:
            with os.fdopen(number, "w+b") as file:
                packed = self._fill(file, data, source)
                file.flush()
                os.fsync(number)
            os.replace(name, self._path(sha256, packed=packed))
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
        self._shrink()

    def get(self, sha256: str, size: int) -> bytes | None:
        """The image with this hash, of `size` bytes, if it is kept and sound. Raises OSError if
        nobody can tell."""
        if not _NAME.fullmatch(sha256):
            return None
        for packed, most in ((False, size), (True, size + size // 64 + _PIECE)):
            try:
                stored = read_plain(self._path(sha256, packed=packed), most)
                data = _unpacked(stored, size) if packed else stored
            except (OSError, zstandard.ZstdError) as error:
                if is_of_host(error):
                    raise
                continue  # it is not kept like that
            if hashlib.sha256(data).hexdigest() == sha256:
                return data
        return None

    def kept(self) -> list[Kept]:
        """All of them, the latest first. Raises OSError."""
        return sorted((each for each, _ in self._files()), key=lambda each: -each.used)

    def clear(self) -> None:
        """Drop all of them. Raises OSError."""
        for _, path in self._files():
            path.unlink(missing_ok=True)

    def _path(self, sha256: str, *, packed: bool) -> Path:
        return self.directory / (sha256 + _PACKED * packed)

    def _renew(self, sha256: str, size: int) -> bool:
        """Whether it is kept already; then it was used now."""
        for packed in (False, True):
            path = self._path(sha256, packed=packed)
            with suppress(OSError, zstandard.ZstdError):
                with open_plain(path) as file:
                    head = file.read(_PIECE)
                    whole = os.fstat(file.fileno()).st_size
                if (zstandard.frame_content_size(head) if packed else whole) == size:
                    with suppress(OSError):
                        os.utime(path)
                    return True
        return False

    def _fill(self, file: BinaryIO, data: bytes, source: str) -> bool:
        """Whether it had to be compressed."""
        with suppress(OSError), open_plain(source) as original:
            self._clone(file.fileno(), original.fileno())
            if _same(file, data):  # the source may be another file by now
                return False
        file.seek(0)
        file.truncate()
        try:
            packed = zstandard.ZstdCompressor(level=_LEVEL).compress(data)
        except (MemoryError, zstandard.ZstdError) as error:
            raise OSError(errno.ENOMEM, "there is no memory to compress it") from error
        file.write(packed)
        return True

    def _files(self) -> Iterator[tuple[Kept, Path]]:
        try:
            entries = list(os.scandir(self.directory))
        except FileNotFoundError:
            return
        for entry in entries:
            match = _NAME.fullmatch(entry.name)
            with suppress(FileNotFoundError):
                if match and entry.is_file(follow_symlinks=False):
                    facts = entry.stat(follow_symlinks=False)
                    yield Kept(match[1], facts.st_size, facts.st_mtime), Path(entry.path)

    def _shrink(self) -> None:
        total = 0
        for each, path in sorted(self._files(), key=lambda pair: -pair[0].used):
            total += each.bytes
            if total > self.limit:
                path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what somebody left who was killed."""
        for entry in os.scandir(self.directory):
            with suppress(OSError):
                if entry.name.startswith(".") and entry.stat().st_mtime < time.time() - _STALE_S:
                    os.unlink(entry.path)


def _clone(target: int, source: int) -> None:
    fcntl.ioctl(target, _FICLONE, source)


def _same(file: BinaryIO, data: bytes) -> bool:
    at = 0
    while piece := os.pread(file.fileno(), _PIECE, at):
        if piece != data[at : at + len(piece)]:
            return False
        at += len(piece)
    return at == len(data)


def _unpacked(stored: bytes, size: int) -> bytes:
    if zstandard.frame_content_size(stored) != size:
        raise zstandard.ZstdError("it is of another size")
    return zstandard.ZstdDecompressor().decompress(stored)
