"""Instants as people write them: instructions, virtual time, and a way back from the end.

    1741896694   1_741_896_694   1,741,896,694   1.7G   300M   5k    instructions
    12.5s   300ms   5us   7ns                                        virtual time
    99%   -1000   -1.5M   -2s                                        of a recording, from its end

What is printed can be typed back. A time stands for the first instant at which the virtual clock
is there: in a recording that follows from its warps, so it can be told without running anything.
"""

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Final, Literal, NamedTuple

from lockstep.det.instant import FOREVER, Icount
from lockstep.errors import UsageError
from lockstep.replay.format import Warp
from lockstep.replay.log import LogReader
from lockstep.session.config import config_from_manifest
from lockstep.session.outcome import TO_THE_END, Until

Unit = Literal["instructions", "ns", "percent"]

_UNITS: Final[dict[str, tuple[Unit, int]]] = {
    "": ("instructions", 1),
    "k": ("instructions", 10**3),
    "K": ("instructions", 10**3),
    "M": ("instructions", 10**6),
    "G": ("instructions", 10**9),
    "T": ("instructions", 10**12),
    "ns": ("ns", 1),
    "us": ("ns", 10**3),
    "ms": ("ns", 10**6),
    "s": ("ns", 10**9),
    "%": ("percent", 1),
}
LONGEST_TIMEOUT_S: Final = 10**9
_FORMS: Final = "1741896694, 1,741,896,694, 1.7G or 12.5s"
_RELATIVE: Final = f"{_FORMS}; from the end of a recording: 99% or -1000"
_WRITTEN: Final = re.compile(
    r"(-?)((?:\d{1,3}(?:,\d{3}){1,10}|\d{1,30}(?:_\d{1,30}){0,9})(?:\.\d{1,30})?)"
    r" ?([a-zA-Z%]{0,2})",
    re.ASCII,
)


class Moment(NamedTuple):
    """An instant as it was written. `back`: so far from the end."""

    unit: Unit
    value: Fraction
    back: bool = False

    @property
    def relative(self) -> bool:
        """Whether it takes an end to say when that is."""
        return self.back or self.unit == "percent"


class Timeline:
    """When virtual time is what, in a run with these warps: each its instant and how far it went.

    `warps` is None if they are not known: the jumps of a machine that skips its waits are computed.
    """

    def __init__(self, end: Icount, shift: int, warps: Iterable[tuple[Icount, int]] | None) -> None:
        self.end = end
        self._shift = shift
        self._warps = None if warps is None else list(warps)

    def virtual_ns(self, at: Icount) -> int | None:
        """The virtual clock at an instant, after all that happens there; None if not known."""
        if self._warps is None:
            return None
        return (at << self._shift) + sum(ns for when, ns in self._warps if when <= at)

    def reached(self, virtual_ns: int) -> Icount | None:
        """The first instant at which the virtual clock is there; it may be beyond the end."""
        if self._warps is None:
            return None
        jumped = 0
        for at, ns in self._warps:
            if virtual_ns <= (at << self._shift) + jumped:
                break
            jumped += ns
            if virtual_ns <= (at << self._shift) + jumped:
                return at
        return Icount(max(0, -((jumped - virtual_ns) >> self._shift)))


def parse_moment(text: str, option: str) -> Moment:
    """What is meant by `text`. Raises UsageError, which names the `option`."""
    match = _WRITTEN.fullmatch(text.strip().replace("µ", "u"))
    if match is None or match[3] not in _UNITS:
        raise UsageError(f"{option} {text} is not an instant", remedy=f"write it as {_RELATIVE}")
    unit, factor = _UNITS[match[3]]
    value = Fraction(match[2].replace(",", "").replace("_", "")) * factor
    if unit == "percent" and (value > 100 or match[1]):
        raise UsageError(f"{option} {text} is not possible", remedy="between 0% and 100%")
    if unit != "percent" and value.denominator != 1:
        raise UsageError(f"{option} {text} is not a whole number of {unit}")
    if value > FOREVER:
        raise UsageError(f"{option} {text} is too far off", remedy=f"at most {FOREVER:,}")
    return Moment(unit, value, back=bool(match[1]))


def parse_live_moment(text: str, option: str) -> Moment:
    """As `parse_moment`, for a machine whose end nobody knows yet."""
    moment = parse_moment(text, option)
    if moment.relative:
        raise UsageError(
            f"{option} {text} counts from the end, which is not known yet",
            remedy=f"write it as {_FORMS}",
        )
    return moment


def parse_until(text: str | None, option: str) -> Until:
    """Where a live machine is to end at the latest."""
    if text is None:
        return TO_THE_END
    moment = parse_live_moment(text, option)
    if moment.unit == "ns":
        return Until(virtual_ns=int(moment.value))
    return Until(Icount(int(moment.value)))


def parse_timeout(seconds: float | None, option: str) -> int | None:
    """Nanoseconds of the host's time."""
    if seconds is None:
        return None
    if not 0 < seconds <= LONGEST_TIMEOUT_S:
        raise UsageError(
            f"{option} {seconds:g} is not possible",
            remedy=f"more than 0 and at most {LONGEST_TIMEOUT_S:,} seconds",
        )
    return round(seconds * 1e9)


def timeline(log: LogReader) -> Timeline:
    """That of a recording. Reads all of its events."""
    config = config_from_manifest(log.manifest.machine)
    warps = None
    if config.idle == "real":
        warps = [(at, event.ns or 0) for at, event in log.events() if isinstance(event, Warp)]
    return Timeline(log.end(), config.shift, warps)


def parse_instant(text: str, option: str, log: LogReader) -> Icount:
    """The instant of a recording that is meant by `text`; it may be beyond the end.

    Raises UsageError, also for a time in a recording that does not tell its own.
    """
    moment = parse_moment(text, option)
    if moment.unit != "ns":
        return _counted(moment, log.end())
    when = timeline(log)
    ends_ns = when.virtual_ns(when.end)
    if ends_ns is None:
        raise UsageError(
            f"{option} {text}: the recording does not tell virtual time, as its machine skipped "
            "its waits",
            remedy="Give a number of instructions.",
        )
    ns = max(0, ends_ns - int(moment.value)) if moment.back else int(moment.value)
    at = when.reached(ns)
    assert at is not None, "the warps are known"
    return at


def parse_until_in(text: str | None, option: str, log: LogReader) -> Until:
    """Where the replay of a recording is to end at the latest. Takes a time of any recording: the
    replay will know when it is there."""
    if text is None:
        return TO_THE_END
    moment = parse_moment(text, option)
    if moment.unit == "ns" and not moment.back:
        return Until(virtual_ns=int(moment.value))
    return Until(parse_instant(text, option, log))


def _counted(moment: Moment, end: Icount) -> Icount:
    """Instructions, or a share of all."""
    if moment.unit == "percent":
        return Icount(int(end * moment.value / 100))
    return Icount(max(0, end - int(moment.value)) if moment.back else int(moment.value))
