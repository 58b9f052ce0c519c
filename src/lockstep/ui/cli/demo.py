"""lockstep demo: see it work."""

import typer


def demo() -> None:
    """Record a small guest that comes with lockstep, replay it, and compare."""
    from lockstep.errors import Divergence
    from lockstep.ui.demo import show

    if not show():
        raise typer.Exit(Divergence.exit_status)
