"""The errors a user can meet, told apart by whose fault they are; each has an exit status.

Status 1 is none of them: lockstep did what it should, and the guest reported failure.
"""


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
