"""Ways to alter a log: an event dropped, altered, moved or added. The instants stay in order."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec

from lockstep.det.instant import Icount
from lockstep.replay.format import (
    Checkpoint,
    Entropy,
    Event,
    Logged,
    Power,
    SerialInput,
    WallClock,
    Warp,
)
from stress.faults.tamper import Change


class Alteration(NamedTuple):
    """What is done to a log, and the first and last instant that it touches."""

    name: str
    first: Icount
    last: Icount
    change: Change


def alter(rng: random.Random, logged: list[Logged], end: Icount, *, inputs: bool) -> Alteration:
    """A random alteration; with `inputs` only of what comes from outside."""
    able = [n for n, each in enumerate(logged) if not (inputs and _is_checkpoint(each))]
    return rng.choice(_WAYS)(rng, logged, able, end)


def _drop(rng: random.Random, logged: list[Logged], able: list[int], end: Icount) -> Alteration:
    n = rng.choice(able)
    at, event = logged[n]
    return Alteration(f"dropped {event.kind}", at, at, lambda all: all[:n] + all[n + 1 :])


def _change(rng: random.Random, logged: list[Logged], able: list[int], end: Icount) -> Alteration:
    n = rng.choice([i for i in able if not isinstance(logged[i].event, Power)])
    at, event = logged[n]
    other = Logged(at, _altered(rng, event))
    return Alteration(f"altered {event.kind}", at, at, lambda all: [*all[:n], other, *all[n + 1 :]])


def _move(rng: random.Random, logged: list[Logged], able: list[int], end: Icount) -> Alteration:
    pairs = [(i, j) for i, j in pairwise(able) if j == i + 1 and logged[i].event != logged[j].event]
    if not pairs:
        return _drop(rng, logged, able, end)
    i, j = rng.choice(pairs)
    (first, one), (last, other) = logged[i], logged[j]
    swapped = [Logged(first, other), Logged(last, one)]
    return Alteration(
        f"reordered {one.kind}", first, last, lambda all: all[:i] + swapped + all[j + 1 :]
    )


def _add(rng: random.Random, logged: list[Logged], able: list[int], end: Icount) -> Alteration:
    at = Icount(rng.randrange(1, end))
    model = logged[rng.choice(able)].event
    n = next((i for i, each in enumerate(logged) if each.at > at), len(logged))
    extra = Logged(at, _altered(rng, model))
    return Alteration(f"added {model.kind}", at, at, lambda all: [*all[:n], extra, *all[n:]])


_WAYS: Final = (_drop, _change, _move, _add)


def _altered(rng: random.Random, event: Any) -> Any:
    change: Callable[[random.Random, Any], dict[str, Any]] = _CHANGES[type(event)]
    return msgspec.structs.replace(event, **change(rng, event))


def _flip(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _flip_checkpoint(rng: random.Random, event: Checkpoint) -> dict[str, Any]:
    if event.parts and rng.random() < 0.5:
        name = rng.choice(sorted(event.parts))
        return {"parts": {**event.parts, name: _flip(rng, event.parts[name])}}
    return {"total": _flip(rng, event.total)}


_CHANGES: Final[dict[type[Event], Callable[[random.Random, Any], dict[str, Any]]]] = {
    WallClock: lambda rng, event: {"ns": event.ns ^ 1 << rng.randrange(60)},
    Entropy: lambda rng, event: {"data": _flip(rng, event.data)},
    SerialInput: lambda rng, event: {"data": _flip(rng, event.data)},
    Warp: lambda rng, event: {"ns": (event.ns or 0) + rng.randrange(1, 1 << 20)},
    Power: lambda rng, event: {"request": "reset"},
    Checkpoint: _flip_checkpoint,
}


def _is_checkpoint(logged: Logged) -> bool:
    return isinstance(logged.event, Checkpoint)
