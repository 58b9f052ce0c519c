"""Who is to blame for a replay that does not match: the cache of compiled code is asked first.

Code that an earlier run compiled may be wrong without being damaged: it was compiled by a host that
miscomputed, or in a version with a bug. So before a recording is blamed its replay is run once more
with all code compiled anew, and the cache neither read nor written. A crash cannot be tried again;
the seals on what is kept (`places.seal`) are against that.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from lockstep.errors import BadRecording, HostFailure
from lockstep.replay import care
from lockstep.replay.divergence import ReplayDivergence
from lockstep.replay.log import LogReader
from lockstep.session import codecache
from lockstep.session.console import say
from lockstep.session.outcome import Outcome
from lockstep.session.regions import Code


def replay_fairly(log: LogReader, attempt: Callable[[Code], Outcome]) -> Outcome:
    """Replay by `attempt`; once more if that fails with code from the cache.

    If the second one passes, the cache is cleared and the user is told. Raises what the last
    attempt raises; ReplayDivergence says whether that was with newly compiled code.
    """
    code = Code()
    try:
        return attempt(code)
    except (ReplayDivergence, BadRecording) as error:
        if not code.cached or not _sound(log):
            raise
        message = error.message
    # The first machine is no longer referred to, so there need not be memory for two.
    first, *_ = message.splitlines()
    _tell(f"{first}, with code from the cache; trying again with code compiled anew ...")
    return _try_again(attempt)


def _try_again(attempt: Callable[[Code], Outcome]) -> Outcome:
    try:
        outcome = attempt(Code(afresh=True))
    except ReplayDivergence as error:
        error.amend(afresh=True)
        raise
    if not outcome.given_up:
        _tell("it matches: the code in the cache was wrong, the recording is right")
        discard_cache()
    return outcome


def discard_cache() -> None:
    """Remove compiled code that turned out to be wrong, and say so."""
    try:
        codecache.clear()
    except HostFailure as error:
        _tell(f"the cache is still there: {error.message} ({error.remedy})")
        return
    _tell("the cache was cleared; what it had is compiled again when it is needed")


def _sound(log: LogReader) -> bool:
    """Whether the log is in order by itself. If not, no machine is needed to blame it."""
    with suppress(BadRecording):
        care.check(log)
        return True
    return False


def _tell(message: str) -> None:
    say(f"lockstep: {message}\n")
