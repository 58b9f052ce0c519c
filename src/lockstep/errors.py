"""The errors a user can meet, told apart by whose fault they are; each has an exit status.

Status 1 is none of them: lockstep did what it should, and the guest reported failure.
"""

import errno
from typing import Final

_OF_HOST: Final = frozenset(
    (
        *(errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOMEM, errno.EMFILE),
        *(errno.ENFILE, errno.ENOLCK, errno.EINTR, errno.ENOBUFS),
    )
)
"""Of system calls: the host has not enough of something, or its hardware fails."""


class LockstepError(Exception):
    """Base of all. `remedy` says what to do; `exit_status` is what the command ends with, and
    `kind` is what programs call it."""

    exit_status = 5
    kind = "internal"

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(LockstepError):
    """What was asked for cannot be done: a wrong flag, a missing file, an unfit image."""

    exit_status = 2
    kind = "usage"


class RecordingExists(UsageError):
    """What would be written has the name of a recording that is there, or just beginning."""


class Divergence(LockstepError):
    """A replay did not match its recording: determinism leaked."""

    exit_status = 3
    kind = "divergence"


class BadRecording(LockstepError):
    """The file is not a recording, is damaged, or needs another version."""

    exit_status = 4
    kind = "bad-recording"


class InternalError(LockstepError):
    """A bug of ours. Please report it."""

    exit_status = 5


class HostFailure(LockstepError):
    """The host could not do its part: a full disk, an I/O error."""

    exit_status = 6
    kind = "host-failure"


def is_of_host(error: BaseException) -> bool:
    """Whether what failed is the host, and would fail for anybody, whatever was asked for."""
    if isinstance(error, OSError):
        return error.errno in _OF_HOST
    return isinstance(error, MemoryError)


def blame(error: BaseException, otherwise: type[LockstepError]) -> type[LockstepError]:
    """What to raise when something cannot be done because of `error`: `otherwise`, unless that is
    the host's fault."""
    return HostFailure if is_of_host(error) else otherwise
