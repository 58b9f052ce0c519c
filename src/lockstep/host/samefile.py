"""Whether two names are one file: through links of both sorts, and before it exists."""

import os
from collections.abc import Mapping
from typing import Final

from lockstep.errors import UsageError

Spared = Mapping[str, str]
"""Files that must not be written over: what each is for the user, by its path."""

NOTHING: Final[Spared] = {}
_STREAMS: Final = {1: "standard output", 2: "standard error"}


def refuse(path: str | int, spared: Spared, option: str) -> None:
    """Raise UsageError if `path`, or an open file descriptor, is one of those to be spared."""
    for other, what in spared.items():
        if _same(path, other):
            raise UsageError(
                f"{option} would write over {what}, {other}", remedy="let it go somewhere else"
            )


def refuse_streams(spared: Spared) -> None:
    """The same for what a shell has opened."""
    for fd, name in _STREAMS.items():
        refuse(fd, spared, name)


def _same(path: str | int, other: str) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.stat(other))
    except (OSError, ValueError):  # one of them is not there yet, or never can be
        return isinstance(path, str) and os.path.realpath(path) == os.path.realpath(other)
