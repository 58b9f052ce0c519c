"""The command itself: its verbs, and what every one of them does with an error."""

import sys
import traceback
from typing import Annotated

import typer

from lockstep import __version__
from lockstep.errors import InternalError, LockstepError
from lockstep.ui.cli import (
    cache,
    demo,
    events,
    guests,
    images,
    info,
    pack,
    profile,
    record,
    recover,
    replay,
    run,
    verify,
)
from lockstep.ui.cli.plain import plain
from lockstep.ui.cli.streams import output_written, standard_streams

app = typer.Typer(
    name="lockstep",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lockstep {__version__}")
        raise typer.Exit


@app.callback()
def lockstep(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """A whole RISC-V computer that records its execution and replays it bit for bit."""


app.command()(run.run)
app.command()(record.record)
app.command()(replay.replay)
app.command()(info.info)
app.command()(events.events)
app.command()(verify.verify)
app.command()(profile.profile)
app.command()(recover.recover)
app.command()(pack.pack)
app.command()(demo.demo)
app.add_typer(guests.app, name="guests")
app.add_typer(images.app, name="images")
app.add_typer(cache.app, name="cache")


def main() -> None:
    """Run the command line and exit."""
    with standard_streams():
        _run()


def _run() -> None:
    try:
        with output_written():
            app()
    except LockstepError as error:
        if isinstance(error, InternalError):
            traceback.print_exc()
        _report(error.message, error.remedy)
        sys.exit(error.exit_status)
    except Exception:
        traceback.print_exc()
        _report("this is a bug of lockstep", "please report it with the lines above")
        sys.exit(InternalError.exit_status)


def _report(message: str, remedy: str) -> None:
    print(plain(f"lockstep: {message}"), file=sys.stderr)
    if remedy:
        print(plain(f"  remedy: {remedy}"), file=sys.stderr)
