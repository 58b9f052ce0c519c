"""Recordings as files: what they hold, without running them."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from lockstep.det.instant import FOREVER, START, Icount
from lockstep.errors import BadRecording, UsageError
from lockstep.replay import care
from lockstep.replay.format import KINDS, Warp
from lockstep.replay.log import LogReader
from lockstep.replay.scratch import remove_all
from lockstep.replay.summary import summarize
from lockstep.session.config import config_from_manifest
from lockstep.session.imagesearch import Given, find_images, without_hints

_SUFFIX: Final = ".lockstep"
_NOT: Final = "no-"


def tidy_up() -> None:
    """Remove what this process keeps in temporary directories: it ends at once."""
    remove_all()


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


def events(path: Path) -> Iterator[dict[str, Any]]:
    """Everything that was logged, in order, as `listed` has it."""
    with open_log(path) as log:
        yield from listed(log)


def listed(
    log: LogReader,
    kinds: Collection[str] | None = None,
    first: Icount = START,
    last: Icount = FOREVER,
) -> Iterator[dict[str, Any]]:
    """The events from instant `first` to `last`, both included; of these `kinds`, if given.

    `virtual_ns` is the virtual clock as each took effect, after a warp if it is one; None where the
    recording does not tell, as its machine skipped its waits.
    """
    shift = _shift(log.manifest.machine)
    warped = 0
    for at, event in log.events():
        if at > last:
            return
        if isinstance(event, Warp):
            warped += event.ns or 0
        if at >= first and (kinds is None or event.kind in kinds):
            clock = None if shift is None else (at << shift) + warped
            yield {"at": at, "virtual_ns": clock, **event.as_dict()}


def select_kinds(wanted: Sequence[str]) -> frozenset[str]:
    """The kinds of events that are meant by words such as `serial` (only this one, or another that
    is named) and `no-serial` (not this one). Raises UsageError for others."""
    known = frozenset(each.kind for each in KINDS.values())
    without = {word.removeprefix(_NOT) for word in wanted if word.startswith(_NOT)}
    named = {word for word in wanted if not word.startswith(_NOT)}
    for word in sorted((without | named) - known):
        raise UsageError(
            f"there are no events of kind {word!r}",
            remedy=f"one of: {', '.join(sorted(known))}; or with {_NOT} before it, all others",
        )
    return (frozenset(named) or known) - without


def _shift(machine: dict[str, Any]) -> int | None:
    """What virtual time follows from, besides the warps; None if it does not."""
    try:
        config = config_from_manifest(machine)
    except BadRecording:  # a machine that cannot be built here has events all the same
        return None
    return config.shift if config.idle == "real" else None


def _same(source: Path, target: Path) -> bool:
    return source == target or (target.exists() and source.exists() and target.samefile(source))


def _renamed(path: Path, word: str) -> Path:
    """boot.lockstep becomes boot.WORD.lockstep."""
    return path.with_name(f"{path.name.removesuffix(_SUFFIX)}.{word}{_SUFFIX}")
