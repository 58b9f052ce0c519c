"""lockstep events: what was logged, one line each."""

import json
from typing import Annotated, Any

import typer

from lockstep.ui.cli import options as o
from lockstep.ui.cli.plain import plain


def events(
    recording: o.Recording,
    as_json: o.Json = False,
    kind: Annotated[str | None, typer.Option(metavar="K", help="Only this kind.")] = None,
    first: Annotated[
        int, typer.Option("--from", metavar="N", help="From this instruction on.")
    ] = 0,
    last: Annotated[
        int | None, typer.Option("--to", metavar="N", help="Up to this instruction.")
    ] = None,
) -> None:
    """List the events of a recording; with --json, one JSON object a line."""
    from pathlib import Path

    from lockstep.session.archive import events as read

    for event in read(Path(recording), kind=kind, first=first, last=last):
        typer.echo(json.dumps(event) if as_json else plain(_text(event)))


def _text(event: dict[str, Any]) -> str:
    rest = (f"{key}={value}" for key, value in event.items() if key not in ("at", "kind"))
    return f"{event['at']:>15_}  {event['kind']:<12}{' '.join(rest)}"
