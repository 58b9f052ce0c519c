"""What a recording is called that was given no name, and which one is meant if none is named.

In a directory recordings are numbered: Image-1.lockstep, Image-2.lockstep, after the kernel. The
link `latest.lockstep` leads to the one that was begun last. As rr has it, but in the directory at
hand: a recording is a file for people to keep, move and mail.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from lockstep.errors import HostFailure, UsageError

SUFFIX: Final = ".lockstep"
LATEST: Final = f"latest{SUFFIX}"
_TRIES: Final = 1000
"""So many recordings may begin at once in a directory."""


def numbered(stem: str, directory: Path) -> Iterator[Path]:
    """Names for a new recording, in the order to try them in: others may begin meanwhile.

    A number is higher than all there are, so that it says which is newer, whatever was deleted.
    """
    stem = re.sub(r"[^\w.+-]", "_", stem).lstrip(".-") or "recording"
    pattern = re.compile(rf"{re.escape(stem)}-([0-9]{{1,9}}){re.escape(SUFFIX)}")
    names: list[str] = []
    with suppress(OSError):  # whoever may not look may still write
        names = os.listdir(directory)
    found = (pattern.match(name) for name in names)
    last = max((int(each[1]) for each in found if each), default=0)
    for number in range(last + 1, last + 1 + _TRIES):
        yield directory / f"{stem}-{number}{SUFFIX}"
    raise UsageError(
        f"{_TRIES:,} names after {stem}-{last}{SUFFIX} are all taken", remedy="Give one with -o."
    )


def link_latest(recording: Path) -> bool:
    """Have the link beside `recording` lead to it. False: it cannot be, as what is there is no
    link, or the directory has none. Raises HostFailure if something is left of it."""
    link = recording.with_name(LATEST)
    if link.name == recording.name or (os.path.lexists(link) and not link.is_symlink()):
        return False
    new = link.with_name(f".{LATEST}.{os.getpid()}")
    try:
        new.unlink(missing_ok=True)
        new.symlink_to(recording.name)
        new.replace(link)  # at once: there is always a latest one
    except OSError:
        _remove(new)
        return False
    return True


def _remove(link: Path) -> None:
    try:
        link.unlink(missing_ok=True)
    except OSError as error:
        raise HostFailure(
            f"{link} is left behind, as it cannot be removed: {error.strerror}", remedy="Remove it."
        ) from error


def latest(directory: Path) -> Path:
    """The recording that is meant if none is named. Raises UsageError if there is none."""
    link = directory / LATEST
    with suppress(OSError):
        target = os.readlink(link)
        if os.sep in target:  # not made here: a stranger's directory may lead anywhere
            raise UsageError(
                f"{link} leads out of its directory, to {target}", remedy="Name the recording."
            )
        link = link.parent / target  # the messages are to name the recording itself
    if not os.path.lexists(link):
        raise UsageError(
            f"no recording is named, and the latest one here, {link}, is not there",
            remedy="Name one, or make one: lockstep record",
        )
    return link
