"""The command itself: its verbs, and what every one of them does with an error."""

import os
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
from lockstep.errors import HostFailure, InternalError, LockstepError, UsageError, is_of_host
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

_OF_HOST: Final = "Free what it is short of, or try again: memory, space, processes, open files."
_OF_OURS: Final = "please report it with the lines above"


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
        _look_for_starved(unraisable)
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


def _look_for_starved(unraisable: "sys.UnraisableHookArgs") -> None:
    """A thread for whose beginning there was no memory: its starter would wait for ever."""
    begun = getattr(unraisable.object, "__self__", None)
    if isinstance(unraisable.exc_value, MemoryError) and isinstance(begun, threading.Thread):
        error = _explained(MemoryError())
        # Not through the queue of messages, which may be what could not begin.
        os.write(2, f"lockstep: {error.message}\n  remedy: {error.remedy}\n".encode())
        os._exit(error.exit_status)


def _run_with_streams() -> None:
    try:
        with standard_streams():
            _run()
    except (HostFailure, OSError, MemoryError) as error:  # told all the same, if it can be
        sys.exit(_told(error))


def _run() -> None:
    try:
        with output_written():
            try:
                _call(sys.argv[1:])
            except LockstepError as error:
                sys.exit(_told(error))
    except Exception as error:  # of the output itself, of the host, or a bug
        sys.exit(_told(error))


def _call(arguments: list[str]) -> None:
    """The verb. With --json everything that can go wrong comes back here, to be told as JSON."""
    if not wants_json(arguments):
        app()
    command = typer.main.get_command(app)
    try:
        with command.make_context("lockstep", list(arguments)) as context:
            command.invoke(context)
        sys.exit(0)
    except typer.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.ClickException as error:
        raise UsageError(error.format_message(), remedy="see lockstep --help") from error
    except KeyboardInterrupt:
        status = stops.status() or 128 + signal.SIGINT
        tell_stopped(status, arguments)
        sys.exit(status)


def _told(error: BaseException) -> int:
    """The exit status, when the error is told. What failed first counts; then comes what cleaning
    up has failed at."""
    failures = [_explained(each) for each in _in_turn(error)]
    for each in failures[:1] if wants_json(sys.argv[1:]) else failures:
        tell(each, sys.argv[1:])
    bugs = [each for each in failures if isinstance(each, InternalError)]
    return (bugs or failures)[0].exit_status


def _in_turn(error: BaseException) -> Iterator[BaseException]:
    """An error, after those on whose way it was raised, and not because of them."""
    earlier = error.__context__
    if isinstance(earlier, LockstepError) and not error.__suppress_context__:
        yield from _in_turn(earlier)
    yield error


def _explained(error: BaseException) -> LockstepError:
    """What to tell of it; a traceback comes before a bug."""
    if isinstance(error, LockstepError) and not isinstance(error, InternalError):
        return error
    if is_of_host(error):
        what = error.strerror if isinstance(error, OSError) else "there is no memory left"
        return HostFailure(f"the host failed: {what}", remedy=_OF_HOST)
    traceback.print_exception(error)
    if isinstance(error, InternalError):
        return error
    return InternalError("this is a bug of lockstep", remedy=_OF_OURS)
