"""What `replay` and `verify` share: a recording run again, with progress shown."""

from pathlib import Path

import typer

from lockstep.det.instant import Icount
from lockstep.host.serial import NullSerial, Serial
from lockstep.session.archive import info, open_log
from lockstep.session.build import replayed
from lockstep.session.console import Console
from lockstep.session.outcome import Outcome
from lockstep.ui.cli.progress import progress


def run_again(
    recording: str,
    far_end: Serial,
    *,
    until: int | None = None,
    realtime: bool = False,
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
        ) as session,
    ):
        return session.run()


def verify_recording(recording: str) -> None:
    """Read it all, replay it all, and say what was found."""
    facts = info(Path(recording))
    outcome = run_again(recording, NullSerial())
    if outcome.given_up:
        raise typer.Exit(outcome.exit_status)
    digests = facts["events"].get("checkpoint", {}).get("count", 0)
    events = sum(each["count"] for each in facts["events"].values())
    whole = "complete" if facts["complete"] else "cut off, and good up to there"
    typer.echo(
        f"{recording}: {whole}\n"
        f"replayed {outcome.instructions:,} instructions; all {events:,} events, {digests:,} "
        f"digests and {sum(facts['output_bytes'].values()):,} bytes of output match"
    )
