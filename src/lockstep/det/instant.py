"""Instants: the only clock inside is the count of instructions attempted since power-on."""

from typing import Final, NewType

Icount = NewType("Icount", int)
"""A number of attempted instructions, over all harts together. Ordered, and never goes back."""

START: Final = Icount(0)
FOREVER: Final = Icount((1 << 63) - 1)
"""Later than any instant that will be reached: the horizon of a world that has no plans."""

LATEST_NS: Final = (1 << 63) - 1
"""Virtual time ends here, 292 years after power-on, and with it the session. A timer of this time
or a later one never rings."""
