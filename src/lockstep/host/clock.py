"""The host's clocks. Nothing that the guest sees may come from here except through an answer."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from lockstep.errors import HostFailure

Clock = Callable[[], int]
"""Nanoseconds."""

_LAST_NS: Final = (1 << 63) - 1  # 2262-04-11, where the kernel's own count of nanoseconds ends


def wall_ns() -> int:
    """Nanoseconds since 1970, as the host believes. HostFailure if it believes what cannot be."""
    now = _believed_ns()
    if not 0 <= now <= _LAST_NS:
        raise HostFailure(
            f"the host's clock is {'before 1970' if now < 0 else 'after 2262'}, which no clock of "
            "a guest can say",
            remedy="Set the host's clock, or give the machine one of its own with --seed.",
        )
    return now


def age_ns() -> int:
    """The same, to compare ages by: it never fails, but says the nearest that can be."""
    return min(max(_believed_ns(), 0), _LAST_NS)


def wall_date() -> str:
    """The host's date and time in UTC, for people; empty if the calendar has no name for it."""
    try:
        return datetime.now(UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return ""


def _believed_ns() -> int:
    try:
        return time.time_ns()
    except OverflowError:
        return _LAST_NS + 1


def monotonic_ns() -> int:
    """Nanoseconds since some moment; never goes back. For measuring, pacing and timeouts."""
    return time.monotonic_ns()
