"""Where the images of a recording are found again, by their SHA-256.

In this order: in the recording; where the user says; where the recording says they were; beside
the recording; among those that were kept. What is found is what was recorded, or is not used.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from lockstep import places
from lockstep.errors import BadRecording, HostFailure, LockstepError, UsageError, blame, is_of_host
from lockstep.host.plainfile import read_plain
from lockstep.machine.images import LIMIT
from lockstep.replay.format import Image
from lockstep.replay.log import LogReader
from lockstep.session.config import config_from_manifest
from lockstep.session.imagekeeping import open_store
from lockstep.session.images import ROLES, ImageFile, no_memory

Given = Mapping[str, str]
"""Paths of images by role, as the user gave them."""

MOST_ENTRIES: Final = 4096
"""Of a recording's directory that are looked at for images of other names."""
MOST_HASHED: Final = 8
"""Of these, those of the right size that are read."""

_EVERYWHERE: Final = ("boot", "etc", "lib", "nix", "opt", "usr")
_HOME: Final = "~/"


def parse_given(options: Iterable[str]) -> Given:
    """From "ROLE=PATH", each. Raises UsageError."""
    given: dict[str, str] = {}
    for option in options:
        role, equals, path = option.partition("=")
        if role not in ROLES or not equals or not path:
            raise UsageError(
                f"--image {option} does not say which image is where",
                remedy=f"write it as ROLE=PATH; the roles are {', '.join(ROLES)}",
            )
        given[role] = path
    return given


def find_images(log: LogReader, given: Given | None = None) -> tuple[ImageFile, ...]:
    """All images of a recording. Raises BadRecording, and UsageError for what was `given`."""
    given = given or {}
    wanted = log.manifest.images
    roles = [image.name for image in wanted]
    _check_roles(wanted)
    for role in given:
        if role not in roles:
            raise UsageError(
                f"the recording was made without an image for {role!r}",
                remedy=f"it has: {', '.join(roles) or 'none'}",
            )
    config = config_from_manifest(log.manifest.machine)
    try:
        return tuple(
            _Search(log, image, getattr(config, image.name), given.get(image.name)).find()
            for image in wanted
        )
    except MemoryError:
        raise no_memory("the images of the recording") from None


def make_hint(image: str, recording: Path) -> str:
    """Where an image is, said so that it tells little of whose it is; perhaps only its name.

    From the recording on if they are in one place; from the home directory on; as a path from the
    root only if it begins as on every host.
    """
    path = Path(os.path.realpath(Path(image).parent)) / Path(image).name
    directory = Path(os.path.realpath(recording)).parent
    home = os.path.realpath(places.home_directory() or "/")
    if path.is_relative_to(directory):
        return str(path.relative_to(directory))
    if home != "/" and path.is_relative_to(home):
        return _HOME + str(path.relative_to(home))
    if path.parts[1] in _EVERYWHERE:
        return str(path)
    if path.parts[1:2] == directory.parts[1:2]:
        return os.path.relpath(path, directory)
    return path.name


def without_hints(log: LogReader) -> tuple[dict[str, object], tuple[Image, ...]]:
    """The machine and the images of a manifest, with nothing of where the images were."""
    machine = dict(log.manifest.machine)
    for role in ROLES:
        if isinstance(machine.get(role), str):
            machine[role] = Path(str(machine[role])).name
    images = (Image(each.name, each.sha256, each.size) for each in log.manifest.images)
    return machine, tuple(images)


class _Search:
    """For one image of a recording."""

    def __init__(self, log: LogReader, image: Image, named: str | None, given: str | None) -> None:
        self._image = image
        self._given = given
        self._embedded = log.image(image.sha256)
        self._directory = Path(os.path.realpath(log.path)).parent
        # Recordings of revision 3 and before have a path where later ones have a name.
        self._hint = str(image.hint or named or image.name)
        self._tried: dict[Path, str] = {}
        self._kind: type[LockstepError] = BadRecording

    def find(self) -> ImageFile:
        if self._given is not None:
            return self._file(self._read_given(self._given))
        if self._embedded is not None:
            return self._file(self._checked())
        for path in self._places():
            if (data := self._read(path)) is not None:
                return self._file(data)
        if (data := self._kept()) is not None:
            return self._file(data)
        raise self._not_found()

    def _kept(self) -> bytes | None:
        """The image from the user's store; None if it is not there."""
        try:
            return open_store().get(self._image.sha256, self._image.size)
        except HostFailure:  # there is no store
            return None
        except OSError as error:
            self._failed(Path(error.filename or "in the store"), error)
            return None

    def _places(self) -> Iterator[Path]:
        if self._hint.startswith(_HOME):
            yield Path(places.home_directory() or "/") / self._hint.removeprefix(_HOME)
        else:
            yield self._directory / self._hint
        yield self._directory / Path(self._hint).name
        yield from self._of_its_size()

    def _of_its_size(self) -> Iterator[Path]:
        """Beside the recording, under whatever name."""
        found = []
        with suppress(OSError), os.scandir(self._directory) as entries:
            for entry, _ in zip(entries, range(MOST_ENTRIES), strict=False):
                with suppress(OSError):
                    if entry.is_file() and entry.stat().st_size == self._image.size:
                        found.append(Path(entry.path))
        yield from sorted(found)[:MOST_HASHED]

    def _read(self, path: Path) -> bytes | None:
        """The image, if this is it; or else why it is not is noted."""
        if path in self._tried:
            return None
        try:
            data = read_plain(path, self._image.size)
        except FileNotFoundError:
            self._tried[path] = "cannot be read: there is no such file"
            return None
        except OSError as error:
            self._failed(path, error)
            return None
        if (actual := _sha256(data)) != self._image.sha256:
            self._tried[path] = f"has changed since: its SHA-256 is {actual}"
            return None
        return data

    def _failed(self, path: Path, error: OSError) -> None:
        """What the host cannot read may be the image; there is nothing worse to say, then."""
        why = f"has changed since, or cannot be read: {error.strerror}"
        self._kind = blame(error, self._kind)
        self._tried = {path: why} | self._tried if is_of_host(error) else self._tried | {path: why}

    def _read_given(self, path: str) -> bytes:
        role = self._image.name
        try:
            data = read_plain(path, LIMIT)
        except OSError as error:
            raise blame(error, UsageError)(
                f"the {role} {path} cannot be read: {error.strerror}",
                remedy=f"check the path given with --image {role}=PATH; it takes a plain file",
            ) from None
        if (actual := _sha256(data)) != self._image.sha256:
            raise UsageError(
                f"{path} is not the {role} of the recording: its SHA-256 is {actual}, "
                f"and {self._image.sha256} is expected",
                remedy=f"give the file that was recorded with --image {role}=PATH",
            )
        return data

    def _checked(self) -> bytes:
        data = self._embedded or b""
        if (actual := _sha256(data)) != self._image.sha256:
            raise BadRecording(
                f"the {self._image.name} in the recording has changed since: its SHA-256 was "
                f"{self._image.sha256} and is {actual}",
                remedy=f"give the right one with --image {self._image.name}=PATH",
            )
        return data

    def _file(self, data: bytes) -> ImageFile:
        return ImageFile(self._image.name, self._hint, data, self._image.sha256)

    def _not_found(self) -> LockstepError:
        (path, why), *_ = self._tried.items()
        role, sha256 = self._image.name, self._image.sha256
        return self._kind(
            f"the {role} of the recording, {path}, {why}",
            remedy=f"give the file with SHA-256 {sha256} with --image {role}=PATH, or put it "
            "beside the recording; `lockstep pack` puts images into a recording where they are "
            "still there",
        )


def _check_roles(images: Iterable[Image]) -> None:
    seen = set()
    for image in images:
        if image.name not in ROLES or image.name in seen:
            raise BadRecording(
                f"the recording has an image for {image.name!r}, which no machine here has",
                remedy="Replay it with the version of lockstep that recorded it, or a newer one.",
            )
        if not 0 <= image.size <= LIMIT:
            raise BadRecording(
                f"the {image.name} of the recording has {image.size:,} bytes, which is absurd",
                remedy="Get the recording again from where it was made.",
            )
        seen.add(image.name)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
