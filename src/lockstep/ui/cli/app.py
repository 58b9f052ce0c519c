"""The command itself: its verbs, and what every one of them does with an error."""

import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer

from lockstep import __version__, stops
from lockstep.errors import HostFailure, InternalError, LockstepError
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

_SOON_S: Final = 0.01

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
    """Run the command line and exit, always by SystemExit; if a signal came, with its status."""
    try:
        with stops.unwinding(), _nothing_lost():
            _run_with_streams()
    except KeyboardInterrupt:
        pass
    except SystemExit:
        if stops.status() is None:
            raise
    sys.exit(stops.status() or 128 + signal.SIGINT)


@contextmanager
def _nothing_lost() -> Iterator[None]:
    """A signal that comes in the middle of what cannot raise, as `__del__`, comes again."""
    before = sys.unraisablehook

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        if isinstance(unraisable.exc_value, stops.Stopped):
            number = unraisable.exc_value.number
            threading.Timer(_SOON_S, stops.again, (number,)).start()
        else:
            before(unraisable)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _run_with_streams() -> None:
    try:
        with standard_streams():
            _run()
    except HostFailure as error:  # no thread for the messages, which is to be said all the same
        _report(error.message, error.remedy)
        sys.exit(error.exit_status)


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
