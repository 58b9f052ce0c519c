"""The locks, the turnstile and the bell: every interleaving of the two threads, in a small model.

The model is in `lockmodel/model.py`, what must hold in `lockmodel/properties.py`. That it would be
seen if something did not hold is shown with bugs planted in the model.
"""

import pytest

from laws.lockmodel.explore import Wrong
from laws.lockmodel.model import Rules
from laws.lockmodel.properties import check, explore


@pytest.mark.parametrize("flood", [False, True], ids=["", "flooded with input"])
@pytest.mark.parametrize("recording", [False, True], ids=["plain", "recorded"])
def test_every_interleaving_holds(recording, flood):
    """No deadlock, no lost wake-up, no starvation, nobody overtaken, and an end that comes."""
    assert check(Rules(recording=recording, flood=flood)) > 1_000


@pytest.mark.parametrize("recording", [False, True], ids=["plain", "recorded"])
def test_a_reader_who_never_reads_holds_up_nobody_but_the_guest(recording):
    """Requests, signals and the end get through."""
    check(Rules(recording=recording, congestion=True))


def test_a_fair_mutex_is_enough_where_periods_end_by_themselves():
    """The turnstile is there for the guest that computes for ever, and for latency."""
    check(Rules(turnstile=False, periods_end=True, flood=True))


FOUND = [
    ("big lock first", {}, "takes the replay mutex while it holds the big lock"),
    ("no turn is owed", {"flood": True}, "overtook"),
    ("stop is asked for first", {}, "never"),
    ("serves without a pause", {"recording": False}, "served in a period"),
    ("pauses with the replay mutex held", {}, "twice|deadlock"),
    ("who ended is forgotten", {}, "deadlock"),
    ("sleepers are owed a turn", {}, "deadlock|never"),
    ("go_on does not notify", {}, "deadlock|never"),
    ("wake does not notify", {}, "deadlock|never"),
    ("resume does not notify", {}, "deadlock|never"),
    ("pause does not notify", {}, "deadlock|never"),
    ("quit does not notify", {}, "deadlock|never"),
    ("quit does not stop the harts", {}, "never"),
    ("settle does not notify", {}, "deadlock|never"),
    ("idle does not ring", {}, "deadlock|never"),
    ("the end does not ring", {}, "deadlock|never"),
    ("post does not ring", {}, "deadlock|never"),
    ("the bell is cleared late", {}, "deadlock|never"),
    ("output is waited for", {"congestion": True}, "deadlock|never"),
]


@pytest.mark.parametrize(("bug", "rules", "report"), FOUND, ids=[bug for bug, *_ in FOUND])
def test_a_bug_in_the_model_is_found(bug, rules, report):
    """With the way that leads to it."""
    with pytest.raises(Wrong, match=report) as caught:
        check(Rules(bugs=frozenset({bug}), **rules))
    assert "M:" in str(caught.value)


def test_without_first_come_first_served_somebody_starves():
    """A mutex that lets in whoever comes last, and no turnstile."""
    with pytest.raises(Wrong, match=r"overtook|never"):
        check(Rules(fifo=False, turnstile=False, periods_end=True, flood=True))


def test_without_a_turnstile_a_guest_that_computes_keeps_the_main_loop_out():
    """The stop request is answered by the period before the one that has to be stopped."""
    with pytest.raises(Wrong, match="the main loop never gets in"):
        check(Rules(turnstile=False))


def test_the_model_is_explored_completely():
    """Every place in it is reached."""
    reached = explore(Rules(congestion=True))
    assert {s.m for s in reached.steps} >= {"poll", "pause_wait", "way_wait", "serve", "done"}
    assert {s.v for s in reached.steps} >= {"hold", "failed_2", "accessing", "done"}
