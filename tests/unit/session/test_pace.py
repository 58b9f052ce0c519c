"""A replay in real time."""

from lockstep.session.pace import Pace


def test_virtual_time_may_not_run_ahead():
    """Both start together; ahead is what there is to wait."""
    clock = iter([1_000, 1_000, 6_000, 50_000])
    pace = Pace(2, lambda: next(clock))
    assert pace.slice == 2_500_000
    assert pace.ahead_ns(70_000) == 0
    assert pace.ahead_ns(74_000) == 4_000
    assert pace.ahead_ns(74_000) == -1_000
    assert pace.ahead_ns(74_000) < 0
