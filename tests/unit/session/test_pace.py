"""A replay in real time."""

import threading

import pytest

from lockstep.session.pace import Pace


def test_virtual_time_may_not_run_ahead():
    """Both start together; ahead is what there is to wait."""
    clock = iter([1_000, 1_000, 6_000, 50_000])
    pace = Pace(2, lambda: next(clock))
    assert pace.slice == 2_500_000
    assert pace.hold_s(70_000) == 0
    assert pace.hold_s(74_000) == pytest.approx(4e-6)
    assert pace.hold_s(74_000) == pytest.approx(-1e-6)
    assert pace.hold_s(74_000) < 0


def test_it_is_not_held_for_longer_than_a_thread_can_wait():
    """At the end of virtual time."""
    pace = Pace(2, lambda: 0)
    assert pace.hold_s(0) == 0
    assert 0 < pace.hold_s((1 << 63) - 1) <= threading.TIMEOUT_MAX
