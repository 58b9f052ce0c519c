"""What an image is packed in: gzip, and Linux's EFI zboot with gzip or zstd.

Output is made in pieces and counted, so that no more than the limit is ever held, whatever the
file declares. Rejected: zstandard's own `max_output_size`, which is not looked at when a frame
declares its size, and zlib's `max_length` alone, which holds the output twice at the end.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Final

import zstandard

from lockstep.errors import UsageError
from lockstep.machine.images.kinds import AGAIN

ZBOOT_HEADER: Final = 56

_GZIP: Final = b"\x1f\x8b"
_READ: Final = 1 << 16
_PIECE: Final = 1 << 20
# A block of zstd takes 4 bytes and unpacks to 128 KiB at most (RFC 8878, 3.1.1.2.4): 8 MiB.
_ZSTD_READ: Final = 256
_WINDOW: Final = 128 << 20  # what zstd itself unpacks unasked, and the kernel's build makes

_Pieces = Callable[[memoryview, int], Iterator[bytes]]


class _Cut(Exception):
    """The packed data end too early."""


def unpacked(name: str, data: bytes, limit: int) -> bytes | None:
    """What is inside, if `data` is packed. Raises UsageError."""
    if data[:2] == _GZIP:
        return _collect(name, "gzip file", _gunzip, memoryview(data), limit)
    if data[:2] == b"MZ" and data[4:8] == b"zimg":
        return _unpacked_zboot(name, data, limit)
    return None


def _unpacked_zboot(name: str, data: bytes, limit: int) -> bytes:
    """Linux's drivers/firmware/efi/libstub/zboot-header.S."""
    if len(data) < ZBOOT_HEADER:
        raise UsageError(f"the {name} is a damaged EFI kernel: it ends in its header", remedy=AGAIN)
    offset, size = struct.unpack_from("<II", data, 8)
    method = data[24:ZBOOT_HEADER].split(b"\0")[0]
    payload = memoryview(data)[offset : offset + size]
    if len(payload) != size:
        raise UsageError(f"the {name} is a damaged EFI kernel: it is cut short", remedy=AGAIN)
    if method == b"gzip":
        return _collect(name, "EFI kernel with gzip", _gunzip, payload, limit)
    if method in (b"zstd", b"zstd22"):
        return _collect(name, "EFI kernel with zstd", _unzstd, payload, limit)
    raise UsageError(
        f"the {name} is an EFI kernel packed with {method.decode('ascii', 'backslashreplace')}",
        remedy="build it with gzip or zstd, or give the unpacked Image",
    )


def _collect(name: str, what: str, pieces: _Pieces, data: memoryview, limit: int) -> bytes:
    """All of the pieces, if they are no more than `limit`."""
    found = io.BytesIO()  # it grows in place, and takes and gives up what it has without a copy
    try:
        for piece in pieces(data, limit):
            if found.tell() + len(piece) > limit:
                raise _enormous(name, what, limit)
            if found.tell():
                found.write(piece)
            else:
                found = io.BytesIO(piece)
                found.seek(len(piece))
    except OverflowError:
        raise _enormous(name, what, limit) from None
    except _Cut:
        raise UsageError(f"the {name} is a damaged {what}: it is cut short", remedy=AGAIN) from None
    except (zlib.error, zstandard.ZstdError) as error:
        raise UsageError(f"the {name} is a damaged {what}: {error}", remedy=AGAIN) from error
    return found.getvalue()


def _enormous(name: str, what: str, limit: int) -> UsageError:
    return UsageError(
        f"the {name} is an enormous {what}: it unpacks to more than {limit:,} bytes",
        remedy="no kernel is that large; give another file",
    )


def _gunzip(data: memoryview, limit: int) -> Iterator[bytes]:
    """Every member (RFC 1952, 2.2). What follows the last and is none is left, as gzip does."""
    at = 0
    while bytes(data[at : at + 2]) == _GZIP:
        inflater = zlib.decompressobj(wbits=31)
        while not inflater.eof:
            read = inflater.unconsumed_tail or data[at : at + _READ]
            if not inflater.unconsumed_tail:
                at += len(read)
            piece = inflater.decompress(read, _PIECE)
            if not (read or piece or inflater.eof):
                raise _Cut
            yield piece
        at -= len(inflater.unused_data)


def _unzstd(data: memoryview, limit: int) -> Iterator[bytes]:
    """The first frame. Raises OverflowError if it declares more than `limit` bytes."""
    size = zstandard.frame_content_size(data)  # -1: it does not say
    if size > limit:
        raise OverflowError
    if size >= 0:
        # In one piece: in several the decoder keeps a window, which may be as large as all of it.
        yield zstandard.ZstdDecompressor().decompress(data)
        return
    decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW).decompressobj()
    for at in range(0, len(data), _ZSTD_READ):
        yield decompressor.decompress(data[at : at + _ZSTD_READ])
        if decompressor.eof:
            return
    raise _Cut
