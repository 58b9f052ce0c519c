"""Images kept for replays: put there when a machine is recorded, listed, and dropped."""

import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from lockstep import places
from lockstep.errors import HostFailure
from lockstep.host.imagestore import LIMIT, ImageStore
from lockstep.session.config import parse_size
from lockstep.session.images import ImageFile

SIZE_VARIABLE: Final = "LOCKSTEP_IMAGES_SIZE"
"""Of the environment: how much disk kept images may take, such as 1G; 0: none are kept."""

_said: Final[set[str]] = set()


class KeptImage(msgspec.Struct, frozen=True):
    """Its bytes on disk, and the day (UTC) on which it was last recorded with."""

    sha256: str
    bytes: int
    used: str


class KeptImages(msgspec.Struct, frozen=True):
    """All of them, the latest first. `limit` is in bytes."""

    path: str
    limit: int
    images: tuple[KeptImage, ...]


def open_store() -> ImageStore:
    """Where images are kept, as much as the user wants. Raises UsageError, and HostFailure if the
    user has no home."""
    size = os.environ.get(SIZE_VARIABLE)
    return ImageStore(places.images(), parse_size(size, SIZE_VARIABLE) if size else LIMIT)


def keep_images(images: Iterable[ImageFile], tell: Callable[[str], None]) -> None:
    """Keep them for the replays. Where that cannot be, it is said, once, and is no failure."""
    try:
        store = open_store()
        for image in images:
            store.keep(image.sha256, image.data, image.path)
    except (OSError, HostFailure) as error:
        why = str(error)
        if why not in _said:
            _said.add(why)
            tell(
                f"the images are not kept for replays: {why}; LOCKSTEP_DATA names another "
                "directory, and --pack puts them into the recording"
            )


def kept_images() -> KeptImages:
    """What is kept now. Raises HostFailure."""
    try:
        store = open_store()
        images = tuple(KeptImage(each.sha256, each.bytes, _day(each.used)) for each in store.kept())
    except OSError as error:
        raise _cannot(error) from error
    return KeptImages(str(store.directory), store.limit, images)


def clear_images() -> None:
    """Drop all of them. Raises HostFailure."""
    try:
        open_store().clear()
    except OSError as error:
        raise _cannot(error) from error


def _day(used: float) -> str:
    try:
        return datetime.fromtimestamp(used, UTC).date().isoformat()
    except (OverflowError, ValueError):  # a file system says the strangest things
        return "an unknown day"


def _cannot(error: Exception) -> HostFailure:
    return HostFailure(
        f"the kept images cannot be looked at: {error}",
        remedy="Check the directory's permissions, or name another in LOCKSTEP_DATA.",
    )
