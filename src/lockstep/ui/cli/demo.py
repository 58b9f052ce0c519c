"""lockstep demo: see it work."""

import json

import typer

from lockstep.ui.cli import options as o


def demo(as_json: o.Json = False) -> None:
    """Record a small guest that comes with lockstep, replay it, and compare."""
    from lockstep.errors import Divergence
    from lockstep.ui.demo import show

    matched, facts = show(quiet=as_json)
    status = 0 if matched else Divergence.exit_status
    if as_json:
        found = {name: facts[name] for name in ("instructions", "log_bytes", "final_digest")}
        typer.echo(json.dumps({"ok": matched, "exit_status": status, **found}, indent=2))
    raise typer.Exit(status)
