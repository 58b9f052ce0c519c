"""What a recording says first: how to build the same machine again."""

import platform
from collections.abc import Sequence
from pathlib import Path

import msgspec

from lockstep import __version__
from lockstep.host.clock import wall_date
from lockstep.replay.format import REVISION, Image, Manifest
from lockstep.session.config import MachineConfig
from lockstep.session.images import ImageFile
from lockstep.session.imagesearch import make_hint


def make_manifest(
    config: MachineConfig, images: Sequence[ImageFile], digest_every: int, recording: Path | None
) -> Manifest:
    """With where the images are, as seen from `recording`; without, if that is None."""
    names = {image.role: Path(image.path).name for image in images}
    return Manifest(
        machine=msgspec.to_builtins(config) | names,
        digest_every=digest_every,
        images=tuple(
            Image(
                image.role,
                image.sha256,
                len(image.data),
                "" if recording is None else make_hint(image.path, recording),
            )
            for image in images
        ),
        versions={"lockstep": __version__, "python": platform.python_version()},
        host={"system": platform.system(), "machine": platform.machine()},
        revision=REVISION,
        created=wall_date(),
    )
