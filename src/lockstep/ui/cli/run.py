"""lockstep run: run a machine."""

from typing import Annotated

import typer

from lockstep.ui.cli import options as o
from lockstep.ui.cli.spread import spread


@spread
def run(
    machine: o.MachineOptions,
    session: o.SessionOptions,
    digest_every: Annotated[
        int, typer.Option(metavar="N", hidden=True, help="Only a recording has digests.")
    ] = 0,
) -> None:
    """Run a machine and record nothing; so there are no digests either."""
    from lockstep.ui.cli.machine import start

    raise typer.Exit(start(machine.config(), session))
