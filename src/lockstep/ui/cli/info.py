"""lockstep info: what a recording holds, in numbers."""

import json
from typing import Annotated, Any

import typer

from lockstep.ui.cli import options as o
from lockstep.ui.cli.numbers import counted
from lockstep.ui.cli.plain import line


def info(
    recording: o.Recording,
    as_json: o.Json = False,
    locks: Annotated[
        bool, typer.Option("--locks", help="And how its threads waited for each other.")
    ] = False,
    stats: Annotated[bool, typer.Option("--stats", help="And where its time went.")] = False,
) -> None:
    """Show what a recording holds."""
    from pathlib import Path

    from lockstep.session.archive import info as read

    facts = read(Path(recording))
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    typer.echo(_text(recording, facts))
    if locks:
        typer.echo("\n".join(map(line, _waits(facts["locks"]))))
    if stats:
        typer.echo(_times({line(name): value for name, value in facts["stats"].items()}))


def _times(stats: dict[str, Any]) -> str:
    from lockstep.ui.cli.stats import table

    return table(stats) if stats else "stats: unknown, they are written when a recording ends"


def _waits(locks: list[dict[str, Any]]) -> list[str]:
    import msgspec

    from lockstep.det.fifo import LockCounts

    if not locks:
        return ["locks: unknown, they are counted until a recording ends, and this one was cut off"]
    return [line for each in locks for line in msgspec.convert(each, LockCounts).lines()]


def _state(facts: dict[str, Any]) -> str:
    good = f"good up to instruction {facts['instructions']:,}"
    if not facts["complete"]:
        return f"incomplete: it was cut off, or is still being written; {good}"
    return f"complete: recovered, {good}" if facts["ended_by"] == "cut" else "complete"


def _size(machine: dict[str, Any]) -> str:
    try:
        return f"{counted(machine['smp'], 'hart')}, {machine['memory'] >> 20:,} MiB"
    except (KeyError, TypeError, ValueError):
        return "unknown here"


def _text(recording: str, facts: dict[str, Any]) -> str:
    machine = facts["machine"]
    duration = facts["duration_s"]
    lines = [
        (recording, _state(facts)),
        ("instructions", f"{facts['instructions']:,}"),
        ("duration", "unknown" if duration is None else f"{duration:.2f} s"),
        ("ended by", facts["ended_by"] or "unknown"),
        ("machine", _size(machine)),
        ("log", f"{facts['log_bytes']:,} bytes"),
        ("final digest", facts["final_digest"] or "none"),
    ]
    lines += [
        (f"  {kind}", f"{counted(each['count'], 'event')}, {each['bytes']:,} bytes")
        for kind, each in facts["events"].items()
    ]
    lines += [
        (image["name"], f"{machine.get(image['name'])} {image['sha256'][:16]}")
        for image in facts["images"]
    ]
    width = max(len(line(name)) for name, _ in lines) + 2
    return "\n".join(f"{line(name):{width}}{line(value)}" for name, value in lines)
