"""What a campaign reports."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Result:
    """How many were tried, what broke (one line each), and what was measured on the way."""

    count: int
    failures: list[str] = field(default_factory=list)
    rows: list[tuple[str, str]] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether the claim held every time."""
        return not self.failures
