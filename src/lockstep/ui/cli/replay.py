"""lockstep replay: run a recording again, and check it."""

from typing import TYPE_CHECKING, Annotated

import typer

from lockstep.ui.cli import options as o

if TYPE_CHECKING:
    from lockstep.session.outcome import Outcome


def replay(
    recording: o.Recording,
    until: Annotated[
        str | None, typer.Option(metavar=o.INSTANT, help="Stop at this instant.")
    ] = None,
    marks: Annotated[
        bool,
        typer.Option(
            "--marks", help="Begin the console's lines with the instant and the virtual time."
        ),
    ] = False,
    realtime: Annotated[bool, typer.Option("--realtime", help="No faster than it was.")] = False,
    symbols: o.Symbols = None,
    image: o.Images = None,
    stats: o.Stats = False,
    as_json: o.ConsoleJson = False,
) -> None:
    """Replay a recording, console included. Succeeds only if all of it came out the same."""
    from lockstep.host.repeated import RepeatedOutput
    from lockstep.host.serial import check_written, output_only
    from lockstep.host.terminal import undisturbed
    from lockstep.session.imagesearch import parse_given
    from lockstep.session.symbols import read_symbols
    from lockstep.ui.cli.again import run_again
    from lockstep.ui.cli.result import say_result

    images = parse_given(image or ())
    names = read_symbols(symbols)
    far_end = RepeatedOutput(output_only)
    with undisturbed(0):
        outcome, counted, ended, end = run_again(
            recording,
            far_end,
            until=until,
            marks=marks,
            realtime=realtime,
            symbols=names,
            images=images,
        )
    status = outcome.exit_status if outcome.given_up else 0
    if not as_json:
        _say(outcome, counted if stats else None, ended=ended, end=end)
    check_written(far_end, "Free some space where it goes, or send it somewhere else.")
    if as_json:
        say_result(outcome, status, recording=recording, complete=ended, stats=counted)
    raise typer.Exit(status)


def _say(
    outcome: "Outcome", stats: "dict[str, int | float] | None", *, ended: bool, end: int
) -> None:
    from lockstep.session.console import say
    from lockstep.ui.cli.stats import table

    if ended or outcome.instructions < end:
        say(f"lockstep: {outcome.describe()}\n")
    if not ended:
        say(f"lockstep: the recording was cut off, and is good up to instruction {end:,}\n")
    if not outcome.given_up:
        say("lockstep: everything up to there is as it was recorded\n")
    if stats is not None:
        say(table(stats) + "\n")
