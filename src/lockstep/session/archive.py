"""Recordings as files: what they hold, without running them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from lockstep.errors import UsageError
from lockstep.replay import care
from lockstep.replay.format import KINDS
from lockstep.replay.log import LogReader
from lockstep.replay.summary import summarize
from lockstep.session.imagesearch import Given, find_images, without_hints

_SUFFIX: Final = ".lockstep"


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


def check(path: Path, images: Given | None = None) -> dict[str, Any]:
    """All that `verify` looks at before it replays: structure, checksums, events and images."""
    with open_log(path) as log:
        found = care.check(log)
        find_images(log, images)
        embedded = log.embedded()
        listed = [
            {"name": image.name, "sha256": image.sha256, "embedded": image.sha256 in embedded}
            for image in log.manifest.images
        ]
        return {"complete": log.complete, **msgspec.to_builtins(found), "images": listed}


def recover(source: Path, target: Path | None = None, *, force: bool = False) -> dict[str, Any]:
    """Save what comes before the damage of a recording, or before it was cut. `force`: another
    recording at `target` is replaced."""
    target = target or _renamed(source, "recovered")
    return cast(dict[str, Any], msgspec.to_builtins(care.recover(source, target, replace=force)))


def pack(
    source: Path,
    target: Path | None = None,
    *,
    images: Given | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Put the images into a recording, and nothing of where they were: into itself, if there is no
    `target`. `force`: another recording there is replaced."""
    target = target or source
    replace = force or _same(source, target)
    with open_log(source) as log:
        contents = {image.sha256: image.data for image in find_images(log, images)}
        machine, names = without_hints(log)
        manifest = msgspec.structs.replace(log.manifest, machine=machine, images=names)
        care.pack(log, contents, target, manifest=manifest, replace=replace)
    return {
        "recording": str(target),
        "images": [image.name for image in log.manifest.images],
        "file_bytes": target.stat().st_size,
    }


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


def _same(source: Path, target: Path) -> bool:
    return source == target or (target.exists() and source.exists() and target.samefile(source))


def _renamed(path: Path, word: str) -> Path:
    """boot.lockstep becomes boot.WORD.lockstep."""
    return path.with_name(f"{path.name.removesuffix(_SUFFIX)}.{word}{_SUFFIX}")
