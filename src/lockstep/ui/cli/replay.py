"""lockstep replay: run a recording again, and check it."""

from typing import Annotated

import typer

from lockstep.ui.cli import options as o


def replay(
    recording: o.Recording,
    until: Annotated[
        int | None, typer.Option(metavar="ICOUNT", help="Stop after so many instructions.")
    ] = None,
    realtime: Annotated[bool, typer.Option("--realtime", help="No faster than it was.")] = False,
    symbols: o.Symbols = None,
    image: o.Images = None,
    stats: o.Stats = False,
) -> None:
    """Replay a recording, console included. Succeeds only if all of it came out the same."""
    from lockstep.host.serial import check_written, output_only
    from lockstep.host.terminal import undisturbed
    from lockstep.session.console import say
    from lockstep.session.imagesearch import parse_given
    from lockstep.session.symbols import read_symbols
    from lockstep.ui.cli.again import run_again
    from lockstep.ui.cli.stats import table

    if until is not None and until < 0:
        raise typer.BadParameter("must not be negative", param_hint="--until")
    images = parse_given(image or ())
    names = read_symbols(symbols)
    far_end = output_only()
    with undisturbed(0):
        outcome, counted, ended, end = run_again(
            recording,
            far_end,
            until=until,
            realtime=realtime,
            symbols=names,
            images=images,
        )
    if ended or outcome.instructions < end:
        say(f"lockstep: {outcome.describe()}\n")
    if not ended:
        say(f"lockstep: the recording was cut off, and is good up to instruction {end:,}\n")
    if not outcome.given_up:
        say("lockstep: everything up to there is as it was recorded\n")
    if stats:
        say(table(counted) + "\n")
    check_written(far_end, "Free some space where it goes, or send it somewhere else.")
    raise typer.Exit(outcome.exit_status if outcome.given_up else 0)
