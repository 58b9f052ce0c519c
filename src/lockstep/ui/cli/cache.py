"""lockstep cache: what is kept on disk to be quicker the next time, and how to be rid of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from lockstep.ui.cli import options as o
from lockstep.ui.cli.plain import plain

if TYPE_CHECKING:
    from lockstep.session.codecache import Cache

app = typer.Typer()


@app.callback(invoke_without_command=True)
def show(context: typer.Context, as_json: o.Json = False) -> None:
    """Show what is kept on disk, where, and how much of it.

    It is in LOCKSTEP_CACHE, or else in lockstep under XDG_CACHE_HOME, or else under ~/.cache; a
    directory that others can write is not used. LOCKSTEP_CACHE_SIZE bounds the compiled regions:
    256M unless it is set, 0 keeps none.
    """
    if context.invoked_subcommand is None:
        _tell(as_json=as_json)


@app.command(short_help="Remove compiled code.")
def clear(as_json: o.Json = False) -> None:
    """Remove compiled code, which is compiled again when it is needed. The guests stay."""
    from lockstep.session import codecache

    codecache.clear()
    _tell(as_json=as_json)


def _tell(*, as_json: bool) -> None:
    import msgspec

    from lockstep.session.codecache import caches

    found = caches()
    if as_json:
        typer.echo(json.dumps(msgspec.to_builtins(found), indent=2))
        return
    for name, cache in found.items():
        typer.echo(plain(f"{name:13}{_amount(cache)}\n{'':13}{cache.path}"))


def _amount(cache: Cache) -> str:
    most = "" if cache.limit is None else f", at most {cache.limit:,}"
    return f"{cache.entries:,} entries, {cache.bytes:,} bytes{most}"
