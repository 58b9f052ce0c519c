"""The command itself: its verbs, and what every one of them does with an error."""

import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import click
import typer

from lockstep import __version__, stops
from lockstep.errors import HostFailure, InternalError, LockstepError, UsageError
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
from lockstep.ui.cli.failure import tell, tell_stopped, wants_json
from lockstep.ui.cli.hasty import hasty
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


_VERBS: Final = (
    (run.run, "Run a machine; nothing is recorded."),
    (record.record, "Run a machine and record everything that happens to it."),
    (hasty(replay.replay), "Replay a recording, console included."),
    (hasty(info.info), "Show what a recording holds."),
    (hasty(events.events), "List the events of a recording."),
    (hasty(verify.verify), "Check a recording: replay it, compare every digest."),
    (hasty(profile.profile), "Say where the guest's instructions went."),
    (hasty(recover.recover), "Save what comes before the damage of a recording."),
    (hasty(pack.pack), "Put the images into a recording."),
    (demo.demo, "See it work, on a small guest that comes with it."),
)
"""What there is to do, with a word on each that fits in a line."""

for verb, summary in _VERBS:
    app.command(short_help=summary)(verb)
app.add_typer(guests.app, name="guests", short_help="Fetch Debian's kernel, busybox and OpenSBI.")
app.add_typer(images.app, name="images", short_help="Show or remove the images kept for replays.")
app.add_typer(cache.app, name="cache", short_help="Show or empty what makes the next time quicker.")


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
        sys.exit(_told(error))


def _run() -> None:
    try:
        with output_written():
            try:
                _call(sys.argv[1:])
            except LockstepError as error:
                sys.exit(_told(error))
    except LockstepError as error:  # the output itself
        sys.exit(_told(error))
    except Exception:
        bug = InternalError(
            "this is a bug of lockstep", remedy="please report it with the lines above"
        )
        sys.exit(_told(bug))


def _call(arguments: list[str]) -> None:
    """The verb. With --json everything that can go wrong comes back here, to be told as JSON."""
    if not wants_json(arguments):
        app()
    command = typer.main.get_command(app)
    try:
        with command.make_context("lockstep", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.ClickException as error:
        raise UsageError(error.format_message(), remedy="see lockstep --help") from error
    except KeyboardInterrupt:
        status = stops.status() or 128 + signal.SIGINT
        tell_stopped(status, arguments)
        sys.exit(status)


def _told(error: LockstepError) -> int:
    """The exit status, when the error is told."""
    if isinstance(error, InternalError):
        traceback.print_exc()
    tell(error, sys.argv[1:])
    return error.exit_status
