"""Seals on what is kept: whoever cannot read the user's secret cannot make one.

A digest without a key finds damage, and nothing that was altered with care: whoever changes code
can compute its digest. A seal is over the code and the name under which it is looked up, so that
sound code under another name is refused, too. The secret lies beside what it seals, in a file that
only the user can read: a store that could once be written by others, and cannot be now, is empty.
"""

import contextlib
import hashlib
import os
from pathlib import Path
from typing import Final

from lockstep.places.trust import make_directory, read_file

SEAL_BYTES: Final = 32

_FILE: Final = "secret"
_SECRET_BYTES: Final = 32


def secret(directory: Path) -> bytes:
    """Return the secret of a cache directory; make both if they are not there.

    Raises Untrusted or OSError.
    """
    make_directory(directory)
    path = directory / _FILE
    with contextlib.suppress(FileNotFoundError):
        found = read_file(path)
        if len(found) == _SECRET_BYTES:
            return found
        path.unlink()  # its maker was killed, or the disk was full: nothing was sealed with it
    return _make(path)


def seal(key: bytes, name: bytes, data: bytes) -> bytes:
    """Seal `data`, which is looked up by `name`, with a secret."""
    digest = hashlib.blake2b(len(name).to_bytes(8, "little"), key=key, digest_size=SEAL_BYTES)
    digest.update(name)
    digest.update(data)
    return digest.digest()


def _make(path: Path) -> bytes:
    made = os.getrandom(_SECRET_BYTES)  # no machine ever sees it
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:  # somebody was quicker
        return read_file(path)
    try:
        os.write(file, made)
    finally:
        os.close(file)
    return made
