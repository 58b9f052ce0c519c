"""The files of a session: none of them may be written over by another."""

from contextlib import suppress
from pathlib import Path

from lockstep.errors import LockstepError, UsageError
from lockstep.host.samefile import Spared, refuse
from lockstep.replay.regular import SIDE_FILES, beside, read_header
from lockstep.session.config import MachineConfig
from lockstep.session.images import image_paths


def files_to_spare(config: MachineConfig, recording: Path | None, serial: str) -> Spared:
    """What the console's output must not get into: the images, the recording, if it has its name
    already, and what else `serial` leads to if that is one."""
    files = [] if recording is None else _files_of(recording)
    spared = _images(config) | {str(each): "the recording" for each in files}
    kind, _, target = serial.partition(":")
    if kind == "file" and _is_recording(target):
        spared.setdefault(target, "a recording")
    return spared


def refuse_recording(recording: Path, config: MachineConfig) -> None:
    """Raise UsageError if a recording would take the place of an image, itself or beside it."""
    for each in _files_of(recording):
        refuse(str(each), _images(config), f"the recording {recording}")


def _images(config: MachineConfig) -> dict[str, str]:
    return {path: f"the {role}" for role, path in image_paths(config).items()}


def _is_recording(path: str) -> bool:
    with suppress(LockstepError):
        return bool(read_header(Path(path)))
    return False


def _files_of(recording: Path) -> list[Path]:
    """A recording and what may be beside it. Raises UsageError for what names no file."""
    if not recording.name:
        raise UsageError(f"{recording} is no name for a recording", remedy="name a file")
    return [recording, *(beside(recording, suffix) for suffix in SIDE_FILES)]
