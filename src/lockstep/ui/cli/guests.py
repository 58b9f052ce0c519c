"""lockstep guests: the guests of the tests and examples, from Debian."""

import json
from typing import Annotated, Final

import typer

from lockstep.ui.cli import options as o

_ROLES: Final = ("kernel", "initrd", "bios")

app = typer.Typer(help="Debian's riscv64 kernel, busybox and OpenSBI, to run here.")


@app.callback()
def _guests() -> None:
    """Debian's riscv64 kernel, busybox and OpenSBI, to run here."""


@app.command()
def fetch(
    suite: Annotated[str, typer.Option(metavar="NAME", help="Debian's release.")] = "trixie",
    refresh: Annotated[bool, typer.Option("--refresh", help="Even if they are there.")] = False,
    as_json: o.Json = False,
) -> None:
    """Fetch them through apt into the cache, and print where they are."""
    from lockstep.host.guests import fetch_guests
    from lockstep.session.console import say

    guests = fetch_guests(lambda text: say(f"lockstep: {text}\n"), suite, refresh=refresh)
    if as_json:
        files = {name: str(getattr(guests, name)) for name in _ROLES}
        typer.echo(json.dumps({"suite": suite, **files}, indent=2))
        return
    for name in _ROLES:
        typer.echo(f"--{name} {getattr(guests, name)}")
