"""lockstep record: run a machine and record it."""

import typer

from lockstep.ui.cli import options as o
from lockstep.ui.cli.spread import spread


@spread
def record(
    recording: o.RecordingOptions, machine: o.MachineOptions, session: o.SessionOptions
) -> None:
    """Run a machine and record everything that happens to it.

    On a terminal Ctrl-A x ends it, elsewhere Ctrl-C; the recording is complete up to there.
    """
    from lockstep.ui.cli.machine import start

    raise typer.Exit(start(machine.config(), session, recording))
