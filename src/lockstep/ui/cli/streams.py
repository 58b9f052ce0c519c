"""The three standard streams: always there, and nothing written to them is lost in silence.

Standard output may be waited for, by the end of the program. Standard error may not: see
`host.messages`.
"""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lockstep.errors import HostFailure
from lockstep.host.messages import queued_stderr

_NAMES: Final = ("stdin", "stdout", "stderr")
_REFUSALS: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextmanager
def standard_streams() -> Iterator[None]:
    """While entered they are there, and nobody waits for the reader of standard error."""
    _provide()
    with queued_stderr():
        yield


@contextmanager
def output_written() -> Iterator[None]:
    """At the end all output is written, or it is said that it is not. What the verb ends with, an
    error or a status, holds although the reader has left."""
    ending: BaseException | None = None
    try:
        try:
            yield
        except OSError:
            raise
        except BaseException as error:
            ending = error
        sys.stdout.flush()
    except BrokenPipeError:  # a reader who left wanted no more
        _discard()
    except OSError as error:
        _discard()
        if error.errno not in _REFUSALS:
            raise
        raise HostFailure(
            f"the output cannot be written: {error.strerror}",
            remedy="Free some space where it goes, or send it somewhere else.",
        ) from error
    if ending is not None:
        raise ending


def _provide() -> None:
    """Open /dev/null in place of a closed one, or the next file to be opened would get its number,
    and with that whatever is meant for the stream."""
    for fd, name in enumerate(_NAMES):
        try:
            os.fstat(fd)
        except OSError as error:
            if error.errno != errno.EBADF:
                raise
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, os.fdopen(fd, "w" if fd else "r", closefd=False))


def _discard() -> None:
    """Throw away what is in the buffer, or Python tries again as it ends, and fails again."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
