"""Verbs that only read end soon after Ctrl-C, whatever the file."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def hasty(verb: Callable[P, T]) -> Callable[P, T]:
    """The verb, with an end to everybody's patience."""

    @wraps(verb)
    def hastily(*args: P.args, **kwargs: P.kwargs) -> T:
        from lockstep.host.impatience import Impatience
        from lockstep.session.archive import tidy_up

        with Impatience(tidy_up):
            return verb(*args, **kwargs)

    return hastily
