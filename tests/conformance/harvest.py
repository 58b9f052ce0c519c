"""Hypothesis as a source of cases: many at once, so that one program can hold them all.

A failing case is reported as it is: a handful of instructions, with nothing to shrink.
LOCKSTEP_CASES=n makes n times as many cases; LOCKSTEP_SEED=n makes others.
"""

from __future__ import annotations

import os
import zlib
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

T = TypeVar("T")


def harvest(label: str, strategy: st.SearchStrategy[T], count: int) -> list[T]:
    """`count` draws, or as many as there are different ones."""
    found: list[T] = []
    variant = int(os.environ.get("LOCKSTEP_SEED", "0"))

    @seed(zlib.crc32(label.encode()) + variant)
    @settings(
        max_examples=count * int(os.environ.get("LOCKSTEP_CASES", "1")),
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(one: T) -> None:
        found.append(one)

    collect()
    return found
