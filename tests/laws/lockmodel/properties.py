"""What has to hold in every state of the model, and on every way through it."""

from __future__ import annotations

from laws.lockmodel.explore import Space
from laws.lockmodel.model import Model, Rules, State

IN_A_PERIOD = {
    *("take_big", "begin", "begun", "run", "access", "accessing", "printing", "accessed"),
    *("account", "accounting", "accounted", "failed", "failed_2"),
}
DISPATCHING = {"go_on", "dispatch", "serve", "resume", "settle", "nudge", "take_big", "got_big"}
COMING_IN = {"way", "way_2", "way_wait", "way_wait_2", "stop", "take_replay", "got_replay"}
HOLDING_BIG = {"begun", "accessed", "accounted", "failed", "printing"}


def explore(rules: Rules) -> Space[State]:
    """Every state. Raises Wrong where a lock is used against its rules."""
    model = Model(rules)
    return Space(model.start, model.steps)


def check(rules: Rules) -> int:
    """Raise Wrong unless everything holds. How many states there are."""
    space = explore(rules)
    if rules.recording:
        space.never("a dispatch and a period at once", _both_inside)
    space.never("the big lock is held twice", _both_hold_big)
    space.never("a request is served in a period", lambda s: s.m == "serve" and s.v in IN_A_PERIOD)
    space.never("the main loop overtook the vCPU thread", lambda s: s.streak > 1)
    space.always_moves("a deadlock, or a lost wake-up", _may_rest)
    space.leads_to("the main loop never gets in", lambda s: s.m in COMING_IN)
    space.leads_to("a request is never served", lambda s: s.letters > 0)
    space.leads_to("a signal is never seen", lambda s: s.signal and not _hindered(s))
    space.leads_to("the vCPU thread never gets its turn", _wants_a_turn)
    space.leads_to("an arrival is never taken", lambda s: bool(s.pending) and not _hindered(s))
    space.leads_to("the end never comes", _is_ending)
    return len(space.steps)


def _both_inside(s: State) -> bool:
    return s.m in DISPATCHING and s.v in IN_A_PERIOD


def _both_hold_big(s: State) -> bool:
    return s.m in {"go_on", "dispatch", "serve", "settle", "nudge"} and s.v in HOLDING_BIG


def _may_rest(s: State) -> bool:
    """Everything is over; or the guest waits for a key, and the main loop for the host."""
    if s.m == "done" and s.v == "done":
        return True
    nothing_to_do = not (s.bell or s.letters or s.signal or s.pending or s.owed or s.timer)
    return s.m == "poll" and s.v == "wait" and s.idle and nothing_to_do


def _is_ending(s: State) -> bool:
    return (s.over or s.quitting) and not s.m == s.v == "done"


def _hindered(s: State) -> bool:
    """Nobody reads the guest's output; or it has ended."""
    return s.congested or s.over or s.quitting or s.m.startswith("end_")


def _wants_a_turn(s: State) -> bool:
    return not (s.v in IN_A_PERIOD or s.v == "done" or s.idle or _hindered(s))
