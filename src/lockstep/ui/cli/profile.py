"""lockstep profile: where the guest's instructions went."""

import json
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from lockstep.ui.cli import options as o
from lockstep.ui.cli.numbers import count
from lockstep.ui.cli.plain import plain

if TYPE_CHECKING:
    from lockstep.session.profile import Function, Profile


def profile(
    recording: o.Recording,
    symbols: o.Symbols = None,
    top: Annotated[
        int, typer.Option(metavar="N", min=1, help="Show so many functions; --json has all.")
    ] = 25,
    first: Annotated[
        str, typer.Option("--from", metavar=o.INSTANT, help="From this instant on.")
    ] = "0",
    last: Annotated[
        str | None,
        typer.Option("--until", "--to", metavar=o.INSTANT, help="Up to this instant."),
    ] = None,
    every: Annotated[
        int,
        typer.Option(metavar="N", parser=count, help="Instructions that a sample stands for."),
    ] = 50_000,
    image: o.Images = None,
    as_json: o.Json = False,
) -> None:
    """Replay a recording and say in which functions the guest's instructions went.

    Of every so many instructions one is looked at, chosen by arithmetic alone: the same recording
    has the same profile every time, on every host. Without --symbols it goes by pages of code.
    Ctrl-C ends it with the profile so far.
    """
    from pathlib import Path

    from lockstep.session import archive
    from lockstep.session.imagesearch import parse_given
    from lockstep.session.instants import parse_instant
    from lockstep.session.profile import profile as made
    from lockstep.session.symbols import read_symbols
    from lockstep.ui.cli.progress import progress

    images = parse_given(image or ())
    names = read_symbols(symbols)
    if every < 1:
        raise typer.BadParameter("at least 1", param_hint="--every")
    with archive.open_log(Path(recording)) as log:
        end = log.end()
        begin = parse_instant(first, "--from", log)
        stop = None if last is None else parse_instant(last, "--until", log)
    total = end if stop is None else min(stop, end)
    with progress("profiling", total, console=False) as tell:
        found = made(
            Path(recording),
            names,
            first=begin,
            last=stop,
            every=every,
            images=images,
            tell=tell,
        )
    typer.echo(_json(found) if as_json else plain(_text(recording, found, top)))
    raise typer.Exit(found.outcome.exit_status if found.outcome.given_up else 0)


def _json(found: "Profile") -> str:
    import msgspec

    return json.dumps({"instructions": found.instructions, **msgspec.to_builtins(found)}, indent=2)


def _text(recording: str, found: "Profile", top: int) -> str:
    early = ", when it was interrupted" if found.outcome.given_up else ""
    said = (
        f"{recording}: {found.instructions:,} instructions, from {found.first:,} "
        f"to {found.last:,}{early}; {found.samples:,} samples, one in {found.every:,}"
    )
    if not found.samples:
        return said
    return "\n".join([said, *_shares(found), "", *_table(found, top)])


def _shares(found: "Profile") -> list[str]:
    """By privilege, and by hart if there are several."""
    modes: Counter[str] = Counter()
    for each in found.functions:
        modes[each.mode] += each.instructions
    lines = ["  ".join(f"{mode} {_share(modes[mode], found)}" for mode in "USM")]
    harts = [sum(of) for of in zip(*(each.harts for each in found.functions), strict=True)]
    if len(harts) > 1:
        lines.append("  ".join(f"hart {n} {_share(of, found)}" for n, of in enumerate(harts)))
    return lines


def _table(found: "Profile", top: int) -> list[str]:
    harts = len(found.functions[0].harts)
    several = range(harts if harts > 1 else 0)
    rows = [["share", "samples", "mode", *(f"hart {n}" for n in several), "function"]]
    for each in found.functions[:top]:
        by_hart = (_share(each.harts[n], found) for n in several)
        share = _share(each.instructions, found)
        rows.append([share, f"{each.samples:,}", each.mode, *by_hart, _name(each)])
    rest = found.functions[top:]
    if rest:
        share = _share(sum(each.instructions for each in rest), found)
        samples = f"{sum(each.samples for each in rest):,}"
        rows.append([share, samples, "", *("" for _ in several), f"{len(rest):,} others"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    widths[-1] = 0  # the last one is of any length
    return ["  ".join(map(str.rjust, row, widths)) for row in rows]


def _name(function: "Function") -> str:
    return function.symbol or f"page {function.address}"


def _share(part: int, found: "Profile") -> str:
    return f"{part / found.instructions:.1%}"
