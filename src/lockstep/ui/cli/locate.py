"""lockstep verify --locate: a recording that does not replay, looked into."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import typer

from lockstep.errors import LockstepError
from lockstep.session.archive import check, info, open_log
from lockstep.session.blame import discard_cache
from lockstep.session.imagesearch import Given
from lockstep.session.locate.inquiry import inquire
from lockstep.session.locate.plain import plain
from lockstep.session.locate.rerun import Conditions, Recorded
from lockstep.session.symbols import Symbols
from lockstep.ui.cli.again import say_verified, verify_recording
from lockstep.ui.cli.plain import plain as readable
from lockstep.ui.cli.progress import progress


def locate_divergence(
    recording: str, symbols: Symbols | None, images: Given, *, as_json: bool
) -> None:
    """Replay it; if that fails, find out where and why, and end with that."""
    path = Path(recording)
    with open_log(path) as log:
        end = log.end()
    with progress("locating", end, console=False) as tell:
        verdict = inquire(Recorded(path, tell, images), Conditions(), symbols)
    if verdict.failure is None:
        check(path, images)  # only now: what was altered is to be located first
        say_verified(recording, info(path), as_json=as_json)
        return
    if verdict.found is not None and verdict.found.cause == "cache":
        if not as_json:
            typer.echo(verdict.found.text())
        discard_cache()
        verify_recording(recording, symbols, images=images, as_json=as_json)
        return
    if as_json:
        stop(verdict.failure, plain(verdict.failure, verdict.found))
    if verdict.found is not None:
        typer.echo(readable(verdict.found.text()))
    raise verdict.failure


def stop(error: LockstepError, said: dict[str, Any] | None = None) -> NoReturn:
    """Print an error as JSON, and exit with its status."""
    with suppress(BrokenPipeError):  # a reader who has left; the status says it all the same
        typer.echo(json.dumps(said or plain(error), indent=2))
    raise typer.Exit(error.exit_status)
