"""lockstep verify: is this recording whole, and does it replay?"""

from typing import Annotated

import typer

from lockstep.ui.cli import options as o


def verify(
    recording: o.Recording,
    locate: Annotated[
        bool,
        typer.Option("--locate", help="If it diverges, run it again to find where and why."),
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Look at the file and its images; replay nothing.")
    ] = False,
    symbols: o.Symbols = None,
    image: o.Images = None,
    as_json: o.Json = False,
) -> None:
    """Look at all of a recording, replay it without its console, and compare every digest."""
    from lockstep.errors import LockstepError, UsageError
    from lockstep.session.imagesearch import parse_given
    from lockstep.session.symbols import read_symbols
    from lockstep.ui.cli.again import verify_recording
    from lockstep.ui.cli.locate import locate_divergence, stop

    try:
        if locate and quick:
            raise UsageError(
                "--locate replays the recording, and --quick replays nothing",
                remedy="give one of them",
            )
        images = parse_given(image or ())
        names = read_symbols(symbols)
        if locate:
            locate_divergence(recording, names, images, as_json=as_json)
        else:
            verify_recording(recording, names, images=images, quick=quick, as_json=as_json)
    except LockstepError as error:
        if not as_json:
            raise
        stop(error)
