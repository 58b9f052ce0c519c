"""What `replay` and `verify` share: a recording run again, with progress shown."""

import json
from pathlib import Path
from typing import Any

import typer

from lockstep.det.instant import Icount
from lockstep.host.serial import NullSerial, Serial
from lockstep.session.archive import info, open_log
from lockstep.session.build import replayed
from lockstep.session.console import Console
from lockstep.session.outcome import Outcome
from lockstep.session.symbols import Symbols
from lockstep.ui.cli.progress import progress


def run_again(
    recording: str,
    far_end: Serial,
    *,
    until: int | None = None,
    realtime: bool = False,
    symbols: Symbols | None = None,
) -> Outcome:
    """Replay with the console at `far_end`."""
    console = not isinstance(far_end, NullSerial)
    with (
        open_log(Path(recording)) as log,
        progress("replaying", log.end(), console=console) as tell,
        replayed(
            log,
            Console(far_end),
            until=None if until is None else Icount(until),
            realtime=realtime,
            progress=tell,
            symbols=symbols,
        ) as session,
    ):
        return session.run()


def verify_recording(
    recording: str, symbols: Symbols | None = None, *, as_json: bool = False
) -> None:
    """Read it all, replay it all, and say what was found."""
    facts = info(Path(recording))
    outcome = run_again(recording, NullSerial(), symbols=symbols)
    if outcome.given_up:
        raise typer.Exit(outcome.exit_status)
    say_verified(recording, facts, as_json=as_json)


def say_verified(recording: str, facts: dict[str, Any], *, as_json: bool) -> None:
    """That all of it was replayed, and what there was of it."""
    if as_json:
        typer.echo(json.dumps({"ok": True, "exit_status": 0, **facts}, indent=2))
        return
    digests = facts["events"].get("checkpoint", {}).get("count", 0)
    events = sum(each["count"] for each in facts["events"].values())
    whole = "complete" if facts["complete"] else "cut off, and good up to there"
    typer.echo(
        f"{recording}: {whole}\n"
        f"replayed {facts['instructions']:,} instructions; all {events:,} events, {digests:,} "
        f"digests and {sum(facts['output_bytes'].values()):,} bytes of output match"
    )
