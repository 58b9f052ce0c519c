"""The caches on disk: the store of compiled regions, and what there is of everything.

A replay that diverges with code from there is not the recording's fault yet: see `replaying`.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

from lockstep import places
from lockstep.errors import HostFailure
from lockstep.host.codestore import LIMIT, CodeStore
from lockstep.places.trust import Notify, check_directory, say_once
from lockstep.session.config import parse_size

SIZE_VARIABLE: Final = "LOCKSTEP_CACHE_SIZE"
"""Of the environment: how much disk compiled regions may take, such as 1G; 0: none are kept."""


class Cache(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one cache takes. `limit` is in bytes; without one, it does not grow by itself."""

    path: str
    entries: int
    bytes: int
    limit: int | None = None


def open_store(notify: Notify, *, use: bool = True) -> CodeStore:
    """The store of compiled regions, as big as the user wants it; one that has and keeps nothing
    unless it is to be of `use`. `notify` is told if there is no place for it. Raises UsageError.
    """
    size = os.environ.get(SIZE_VARIABLE)
    limit = parse_size(size, SIZE_VARIABLE) if size else LIMIT
    try:
        return CodeStore(places.compiled_regions(), limit if use else 0, notify=notify)
    except HostFailure as error:
        say_once(notify, error)
        return CodeStore(Path(os.devnull), 0)


def distrusted() -> HostFailure | None:
    """Why the cache is not used, if it is not: for those who look at it."""
    try:
        check_directory(places.cache_directory())
    except HostFailure as error:
        return error
    except OSError:  # it is not there, or cannot be looked at: there is nothing in it
        return None
    return None


def caches() -> dict[str, Cache]:
    """What there is now, by name. Raises HostFailure if it is not to be used."""
    _require_trust()
    store = open_store(_quiet)
    try:
        regions = store.usage()
    finally:
        store.close()
    return {
        "interpreter": _files(places.interpreter_objects()),
        "regions": Cache(str(store.path), regions.parts, regions.bytes, store.limit),
        "guests": _files(places.guests()),
    }


def clear() -> None:
    """Remove compiled code, whoever uses it: it has what it needs in memory. Raises HostFailure."""
    _require_trust()
    store = open_store(_quiet)
    try:
        if not store.clear():
            raise HostFailure(
                f"{store.path} could not be cleared",
                remedy="Try again, as somebody may be writing to it; or remove the file.",
            )
    finally:
        store.close()
    for path in _walk(places.interpreter_objects()):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise HostFailure(
                f"{path} cannot be removed: {error.strerror}",
                remedy="Check the permissions of its directory.",
            ) from error


def _require_trust() -> None:
    # Whoever else can write there says by a link what is looked at, and what is removed.
    if (error := distrusted()) is not None:
        raise error


def _quiet(message: str) -> None:
    """Whoever looks at the cache is told by an error."""


def _files(directory: Path) -> Cache:
    sizes = []
    for path in _walk(directory):
        try:
            sizes.append(path.stat().st_size)
        except OSError:  # it went away meanwhile
            continue
    return Cache(str(directory), len(sizes), sum(sizes))


def _walk(directory: Path) -> list[Path]:
    """Every file below, hidden ones apart: those are ours, and hold nothing."""
    return [
        Path(where, name)
        for where, _, names in os.walk(directory)
        for name in names
        if not name.startswith(".")
    ]
