"""lockstep guests: the guests of the tests and examples, from Debian."""

from typing import Annotated

import typer

app = typer.Typer(help="Debian's riscv64 kernel, busybox and OpenSBI, to run here.")


@app.callback()
def _guests() -> None:
    """Debian's riscv64 kernel, busybox and OpenSBI, to run here."""


@app.command()
def fetch(
    suite: Annotated[str, typer.Option(metavar="NAME", help="Debian's release.")] = "trixie",
    refresh: Annotated[bool, typer.Option("--refresh", help="Even if they are there.")] = False,
) -> None:
    """Fetch them through apt into the cache, and print where they are."""
    from lockstep.host.guests import fetch_guests
    from lockstep.session.console import say

    guests = fetch_guests(lambda text: say(f"lockstep: {text}\n"), suite, refresh=refresh)
    for name in ("kernel", "initrd", "bios"):
        typer.echo(f"--{name} {getattr(guests, name)}")
