"""lockstep pack: put the images into a recording."""

import json
from typing import Annotated

import typer

from lockstep.ui.cli import options as o
from lockstep.ui.cli.plain import plain


def pack(
    recording: o.Recording,
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="OUT", help="Default: in place of the recording."),
    ] = None,
    force: o.Force = False,
    image: o.Images = None,
    as_json: o.Json = False,
) -> None:
    """Put the images into a recording, so that the file alone replays on another machine."""
    from pathlib import Path

    from lockstep.session import archive
    from lockstep.session.imagesearch import parse_given

    packed = archive.pack(
        Path(recording),
        None if output is None else Path(output),
        images=parse_given(image or ()),
        force=force,
    )
    if as_json:
        typer.echo(json.dumps(packed, indent=2))
        return
    images = ", ".join(packed["images"]) or "no images"
    typer.echo(plain(f"{packed['recording']}: with {images}, {packed['file_bytes']:,} bytes"))
