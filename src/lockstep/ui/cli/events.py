"""lockstep events: what was logged, one line each."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final

import typer

from lockstep.session.stamps import seconds
from lockstep.ui.cli import options as o
from lockstep.ui.cli.numbers import counted, wall_clock
from lockstep.ui.cli.plain import plain, quoted

_FOLDED: Final = frozenset({"checkpoint", "warp"})
"""Kinds that there are many of, and that nobody outside caused."""
_COLUMNS: Final = "{:>17}  {:>18}  "


def events(
    recording: o.Recording,
    as_json: o.Json = False,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="K",
            help="Only this kind, such as serial; no-K: all but this one. May be repeated.",
        ),
    ] = None,
    first: Annotated[
        str, typer.Option("--from", metavar=o.INSTANT, help="From this instant on.")
    ] = "0",
    last: Annotated[
        str | None, typer.Option("--to", metavar=o.INSTANT, help="Up to this instant.")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Checkpoints and warps one by one, too.")
    ] = False,
) -> None:
    """List the events of a recording: the instant, the virtual time, the kind and what it brought.

    Checkpoints and warps are only counted, unless asked for by -v or by name. An instant is a
    number of instructions (1,741,896,694 or 1.7G), a virtual time (12.5s), a share (99%), or
    counts from the end (-1000, -2s). With --json, one JSON object a line, of every event.
    """
    from pathlib import Path

    from lockstep.det.instant import FOREVER
    from lockstep.session.archive import listed, open_log, select_kinds
    from lockstep.session.instants import parse_instant

    wanted = select_kinds(kind or ())
    with open_log(Path(recording)) as log:
        begin = parse_instant(first, "--from", log)
        end = FOREVER if last is None else parse_instant(last, "--to", log)
        found = listed(log, wanted, begin, end)
        folded = frozenset() if verbose else _FOLDED.difference(kind or ())
        for line in map(json.dumps, found) if as_json else _lines(found, folded):
            typer.echo(line)


def _lines(events: Iterable[dict[str, Any]], folded: frozenset[str]) -> Iterator[str]:
    passed: Counter[str] = Counter()
    for event in events:
        if event["kind"] in folded:
            passed[event["kind"]] += 1
            continue
        yield from _summary(passed)
        passed.clear()
        yield plain(_text(event)).replace("\n", "\\n")
    yield from _summary(passed)


def _summary(passed: Counter[str]) -> Iterator[str]:
    """What was folded in between, if anything was."""
    if passed:
        said = (counted(number, kind) for kind, number in sorted(passed.items()))
        yield f"{_COLUMNS.format('', '')}... {', '.join(said)}"


def _text(event: dict[str, Any]) -> str:
    clock = event["virtual_ns"]
    shown = _COLUMNS.format(f"{event['at']:,}", "?" if clock is None else seconds(clock))
    rest = {name: each for name, each in event.items() if name not in ("at", "virtual_ns", "kind")}
    match event["kind"]:
        case "serial":
            said = f"{rest['port']} {quoted(bytes.fromhex(rest['data']))}"
        case "wall-clock":
            said = f"{rest['port']} {wall_clock(rest['ns'])}"
        case "warp" if rest["ns"] is not None:
            said = f"{rest['ns']:,} ns"
        case _:
            said = " ".join(f"{name}={each}" for name, each in rest.items())
    return f"{shown}{event['kind']:<10}  {said}"
