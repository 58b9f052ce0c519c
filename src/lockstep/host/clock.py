"""The host's clocks. Nothing that the guest sees may come from here except through an answer."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Nanoseconds."""


def wall_ns() -> int:
    """Nanoseconds since 1970, as the host believes."""
    return time.time_ns()


def monotonic_ns() -> int:
    """Nanoseconds since some moment; never goes back. For measuring, pacing and timeouts."""
    return time.monotonic_ns()
