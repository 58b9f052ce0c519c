"""Values that programs do not expect: of JSON, of MessagePack and of SQLite."""

from __future__ import annotations

import random
from typing import Any, Final

NUMBERS: Final = (
    -1, -5, 0, 1, 255, 1 << 31, (1 << 53) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64,
    -(1 << 63), -(1 << 63) - 1, 10**19, 10**400, -(10**400), 0.5, -0.0, 1e308, -1e308, 5e-324,
)  # fmt: skip

TEXTS: Final = (
    "", "\0", "a\0b", "\x1b]0;owned\x07", "\x1b[6n", "\x9b31m", "\u202e", "\u2066", "\ufeff",
    "../../../../etc/passwd", "/dev/zero", "/dev/tty", "/proc/self/mem", "~", "%s%n", "{0}",
    "x" * 300, "x" * 70_000, "\U0010ffff", "serial0", "power", "warp", "kernel", "none", "auto",
)  # fmt: skip

RAW_JSON: Final = (
    "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", '"\\ud800"', '"\\u0000"', "'x'",
    '"' + '\\"' * 400_000,
    "00", "-", "truE", '"', "[", "{", "9" * 5000, "-" + "9" * 5000, "9" * 100_000, "0." + "1" * 400,
)  # fmt: skip


def value(rng: random.Random, *, inner: bool = False) -> Any:
    """Anything JSON can say; not long and not deep if it is an `inner` one: others repeat it."""
    kind = rng.randrange(6 if inner else 8)
    if kind < 3:
        return rng.choice(NUMBERS)
    if kind < 5:
        text = rng.choice(TEXTS)
        return text[:300] if inner else text
    if kind < 6:
        return rng.choice((None, True, False, [], {}, [[]], {"": {}}))
    if kind < 7:
        return [value(rng, inner=True) for _ in range(rng.choice((1, 3, 50)))]
    names = [str(value(rng, inner=True))[:100] for _ in range(rng.choice((1, 3, 50)))]
    return {name: value(rng, inner=True) for name in names}


def packable(rng: random.Random, *, inner: bool = False) -> Any:
    """Anything MessagePack can say."""
    if rng.random() < 0.3:
        return rng.randbytes(rng.choice((0, 1, 3, 4, 8, 16, 300)))
    return _within(value(rng, inner=inner))


def stored(rng: random.Random) -> Any:
    """Anything SQLite can store."""
    return rng.choice(
        (None, "", "x", "9", 1.5, -1, 0, 1, (1 << 63) - 1, -(1 << 63), b"", b"\0", rng.randbytes(9))
    )


def deep(depth: int) -> str:
    """JSON within JSON."""
    return "[" * depth + "]" * depth


def _within(each: Any) -> Any:
    """MessagePack has no number beyond 64 bits."""
    if isinstance(each, int) and not -(1 << 63) <= each < 1 << 64:
        return (1 << 64) - 1 if each > 0 else -(1 << 63)
    if isinstance(each, list):
        return [_within(one) for one in each]
    if isinstance(each, dict):
        return {key: _within(one) for key, one in each.items()}
    return each
