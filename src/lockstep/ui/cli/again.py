"""What `replay` and `verify` share: a recording run again, with progress shown."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import typer

from lockstep.det.instant import Icount
from lockstep.host.repeated import RepeatedOutput
from lockstep.host.serial import NullSerial
from lockstep.session.archive import check, info, open_log
from lockstep.session.blame import replay_fairly
from lockstep.session.build import replayed
from lockstep.session.console import Console
from lockstep.session.imagesearch import Given
from lockstep.session.instants import parse_until_in
from lockstep.session.outcome import Outcome
from lockstep.session.regions import Code
from lockstep.session.symbols import Symbols
from lockstep.ui.cli.plain import plain
from lockstep.ui.cli.progress import progress


class Replayed(NamedTuple):
    """A replay, with what was counted, and its recording: whether that reaches to the machine's
    end, and how far it does reach."""

    outcome: Outcome
    stats: dict[str, int | float]
    ended: bool
    end: Icount


def run_again(
    recording: str,
    far_end: RepeatedOutput | None = None,
    *,
    until: str | None = None,
    marks: bool = False,
    realtime: bool = False,
    symbols: Symbols | None = None,
    images: Given | None = None,
) -> Replayed:
    """Replay with the console at `far_end`, if anywhere."""
    stats: dict[str, int | float] = {}

    def attempt(code: Code) -> Outcome:
        if far_end is not None:
            far_end.begin()
        with replayed(
            log,
            Console(far_end or NullSerial(), marks=marks),
            until=parse_until_in(until, "--until", log),
            realtime=realtime,
            progress=tell,
            symbols=symbols,
            images=images,
            code=code,
        ) as session:
            outcome = session.run()
            stats.update(session.stats())
            return outcome

    with (
        open_log(Path(recording)) as log,
        progress("replaying", log.end(), console=far_end is not None) as tell,
    ):
        return Replayed(replay_fairly(log, attempt), stats, log.ended, log.end())


def verify_recording(
    recording: str,
    symbols: Symbols | None = None,
    *,
    images: Given | None = None,
    quick: bool = False,
    as_json: bool = False,
) -> None:
    """Look at it all, replay it all unless it is to be `quick`, and say what was found."""
    check(Path(recording), images)
    facts = info(Path(recording))
    if not quick:
        outcome = run_again(recording, symbols=symbols, images=images).outcome
        if outcome.given_up:
            if as_json:
                ending = {"ended_by": outcome.reason, "instructions": outcome.instructions}
                status = outcome.exit_status
                typer.echo(json.dumps({"ok": False, "exit_status": status, **ending}, indent=2))
            raise typer.Exit(outcome.exit_status)
    say_verified(recording, facts, replayed=not quick, as_json=as_json)


def say_verified(
    recording: str, facts: dict[str, Any], *, replayed: bool = True, as_json: bool
) -> None:
    """That all of it is as it should be, and what there was of it."""
    if as_json:
        verdict = {"ok": True, "exit_status": 0, "replayed": replayed}
        typer.echo(json.dumps({**verdict, **facts}, indent=2))
        return
    digests = facts["events"].get("checkpoint", {}).get("count", 0)
    events = sum(each["count"] for each in facts["events"].values())
    whole = "complete" if facts["complete"] else "cut off, and good up to there"
    output = sum(facts["output_bytes"].values())
    instructions = facts["instructions"]
    typer.echo(
        plain(f"{recording}: {whole}\n")
        + (
            f"replayed {instructions:,} instructions; all {events:,} events, {digests:,} digests "
            f"and {output:,} bytes of output match"
            if replayed
            else f"the file and its images are sound: {instructions:,} instructions, {events:,} "
            f"events, {digests:,} digests and {output:,} bytes of output; nothing was replayed"
        )
    )
