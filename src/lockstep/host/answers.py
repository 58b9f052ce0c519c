"""Who answers when the guest asks for the wall clock or for entropy: the host, or a seed."""

import hashlib
import os
from collections.abc import Callable
from typing import Final, Protocol

from lockstep.errors import InternalError
from lockstep.host.clock import wall_ns

SEEDED_EPOCH_NS: Final = 1_704_067_200 * 1_000_000_000
"""2024-01-01 00:00:00 UTC: the clock of a seeded machine starts here, or within ten years."""

_SPAN_NS: Final = 10 * 365 * 86_400 * 1_000_000_000
"""Short of 2038, when the clocks of some guests end."""

WALL_CLOCK: Final = "wall-clock"
ENTROPY: Final = "entropy"


class Answers(Protocol):
    """The two things a guest can ask for."""

    def wall_clock_ns(self) -> int:
        """Nanoseconds since 1970."""

    def entropy(self, size: int) -> bytes:
        """`size` bytes nobody can foresee (unless there is a seed)."""


class HostAnswers:
    """What the host says."""

    def wall_clock_ns(self) -> int:
        """The host's wall clock."""
        return wall_ns()

    def entropy(self, size: int) -> bytes:
        """The host's entropy."""
        return os.urandom(size)


class SeededAnswers:
    """Computed from a number and the virtual time, so that two runs get the same."""

    def __init__(self, seed: int, virtual_ns: Callable[[], int]) -> None:
        self._seed = seed
        start = int.from_bytes(self._draw("wall clock", 16), "big")
        self._start_ns = SEEDED_EPOCH_NS + start % _SPAN_NS
        self._virtual_ns = virtual_ns
        self._drawn = 0

    def wall_clock_ns(self) -> int:
        """A moment that follows from the seed, plus virtual time."""
        return self._start_ns + self._virtual_ns()

    def entropy(self, size: int) -> bytes:
        """The next bytes of the seed's stream."""
        self._drawn += 1
        return self._draw(f"{self._drawn - 1}", size)

    def _draw(self, what: str, size: int) -> bytes:
        return hashlib.shake_128(f"lockstep {self._seed} {what}".encode()).digest(size)


def answer(answers: Answers, question: str, size: int) -> bytes:
    """The bytes a device gets for its question."""
    if question == WALL_CLOCK:
        return answers.wall_clock_ns().to_bytes(size, "little")
    if question == ENTROPY:
        return answers.entropy(size)
    raise InternalError(f"a device asks for {question!r}, which the outside does not offer")
