"""lockstep recover: save what can be saved of a recording."""

import json
from typing import Annotated

import typer

from lockstep.ui.cli import options as o
from lockstep.ui.cli.plain import plain


def recover(
    recording: o.Recording,
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", metavar="OUT", help="Default: beside it, as NAME.recovered.lockstep."
        ),
    ] = None,
    force: o.Force = False,
    as_json: o.Json = False,
) -> None:
    """Make a clean recording of what comes before the damage, or the cut, in another.

    The recording itself is left as it is.
    """
    from pathlib import Path

    from lockstep.session import archive

    saved = archive.recover(Path(recording), None if output is None else Path(output), force=force)
    if as_json:
        typer.echo(json.dumps(saved, indent=2))
        return
    typer.echo(
        f"{plain(saved['recording'])}: {saved['instructions']:,} instructions, "
        f"{saved['events']:,} events and {saved['output_bytes']:,} bytes of output"
    )
    for loss in saved["lost"]:
        typer.echo(plain(f"lost: {loss}"))
    if saved["complete"]:
        typer.echo("nothing was lost: the recording is complete")
    else:
        typer.echo("what the machine did after that is not known")
