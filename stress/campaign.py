"""Campaigns by name: every module in `stress.campaigns` is one."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Protocol, cast

from stress import campaigns
from stress.result import Result


class Campaign(Protocol):
    """A module that tries one claim."""

    CLAIM: str
    """A sentence, in the words of the user."""
    FULL: int
    """How often `make stress` tries it."""

    @staticmethod
    def run(count: int) -> Result:
        """Try it so often; random, and reproducible from what the failures say."""


def names() -> list[str]:
    """Every campaign there is."""
    return sorted(module.name for module in pkgutil.iter_modules(campaigns.__path__))


def find(name: str) -> Campaign:
    """The campaign called so."""
    return cast(Campaign, importlib.import_module(f"stress.campaigns.{name}"))
