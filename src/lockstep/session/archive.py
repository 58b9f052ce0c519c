"""Recordings as files: what they hold, without running them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lockstep.errors import UsageError
from lockstep.replay.format import KINDS
from lockstep.replay.log import LogReader
from lockstep.replay.summary import summarize


@contextmanager
def open_log(path: Path) -> Iterator[LogReader]:
    """A recording, to read while the context lasts."""
    log = LogReader(path)
    try:
        yield log
    finally:
        log.close()


def info(path: Path) -> dict[str, Any]:
    """What `lockstep info --json` prints."""
    with open_log(path) as log:
        return summarize(log).as_dict()


def events(
    path: Path, *, kind: str | None = None, first: int = 0, last: int | None = None
) -> Iterator[dict[str, Any]]:
    """The events from instant `first` to `last`, both included; of one kind, if given."""
    known = sorted(each.kind for each in KINDS.values())
    if kind is not None and kind not in known:
        raise UsageError(
            f"there are no events of kind {kind!r}", remedy=f"one of: {', '.join(known)}"
        )
    with open_log(path) as log:
        for at, event in log.events():
            if last is not None and at > last:
                return
            if at >= first and kind in (None, event.kind):
                yield {"at": at, **event.as_dict()}
