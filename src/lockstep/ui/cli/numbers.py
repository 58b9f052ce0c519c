"""Numbers as people read them, and read back as they are printed."""

from datetime import UTC, datetime, timedelta
from typing import Final

import typer

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_S: Final = 10**9


def wall_clock(ns: int) -> str:
    """Nanoseconds since 1970 as the date and time in UTC, if there is one."""
    try:
        when = _EPOCH + timedelta(seconds=ns // _NS_PER_S)
    except OverflowError:
        return f"{ns:,} ns"
    return f"{when:%Y-%m-%d %H:%M:%S}.{ns % _NS_PER_S:09} UTC"


def counted(number: int, what: str) -> str:
    """How many there are of what, such as 1 event or 2,000 events."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def count(text: str | int) -> int:
    """A number of instructions, or of whatever: 50000, 50,000, 50_000 or 50k. Of an option's
    default, which is a number already, the number."""
    from lockstep.errors import UsageError
    from lockstep.session.instants import parse_moment

    if isinstance(text, int):
        return text
    try:
        moment = parse_moment(text, "")
    except UsageError:
        moment = None
    if moment is None or moment.unit != "instructions" or moment.back:
        raise typer.BadParameter(f"{text!r} is not a number such as 50,000 or 1.7G")
    return int(moment.value)
