"""lockstep images: the images that are kept for replays, and how to be rid of them."""

import json

import typer

from lockstep.ui.cli import options as o
from lockstep.ui.cli.plain import plain

app = typer.Typer()


@app.callback(invoke_without_command=True)
def show(context: typer.Context, as_json: o.Json = False) -> None:
    """Show the images that are kept for replays, so that a kernel can be built anew.

    They are in $LOCKSTEP_DATA, or else $XDG_DATA_HOME/lockstep. LOCKSTEP_IMAGES_SIZE bounds them:
    2G unless it is set, 0 keeps none; those go first that were not recorded with for longest.
    """
    if context.invoked_subcommand is None:
        _tell(as_json=as_json)


@app.command(name="list")
def list_(as_json: o.Json = False) -> None:
    """Show them."""
    _tell(as_json=as_json)


@app.command(short_help="Remove them.")
def clear(as_json: o.Json = False) -> None:
    """Remove all of them: recordings that have no other copy cannot be replayed any more."""
    from lockstep.session.imagekeeping import clear_images

    clear_images()
    _tell(as_json=as_json)


def _tell(*, as_json: bool) -> None:
    import msgspec

    from lockstep.session.imagekeeping import kept_images

    found = kept_images()
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(found), indent=2))
        return
    for each in found.images:
        typer.echo(f"{each.sha256}  {each.bytes:>13,} bytes  recorded with on {each.used}")
    total = sum(each.bytes for each in found.images)
    typer.echo(
        plain(
            f"{len(found.images):,} images, {total:,} bytes, at most {found.limit:,}\n{found.path}"
        )
    )
