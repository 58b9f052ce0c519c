"""The live world, and who answers in it."""

import time
from datetime import UTC, datetime

import pytest

from lockstep.det.instant import FOREVER, LATEST_NS, START
from lockstep.det.world import Arrival
from lockstep.errors import HostFailure, InternalError
from lockstep.host.answers import HostAnswers, SeededAnswers, answer
from lockstep.host.clock import wall_ns
from lockstep.host.live import Live


def test_arrivals_are_taken_once_and_in_order():
    """`post_first` comes before what waits already."""
    live = Live(HostAnswers(), {})
    live.post(Arrival("serial0", b"a"))
    live.post(Arrival("serial0", b"b"))
    live.post_first(Arrival("warp", b""))
    assert live.pending
    assert [each.data for each in live.arrivals(START)] == [b"", b"a", b"b"]
    assert not live.pending
    assert live.arrivals(START) == []
    assert live.horizon(START) == FOREVER


def test_the_host_answers():
    """The wall clock is the host's, and entropy has the size that was asked for."""
    outlet = Live(HostAnswers(), {}).outlet("rtc")
    told = int.from_bytes(outlet.ask("wall-clock", 8), "little")
    assert abs(told - time.time_ns()) < 60 * 10**9
    assert len(outlet.ask("entropy", 33)) == 33
    assert outlet.ask("entropy", 16) != outlet.ask("entropy", 16)


def test_a_seed_answers_the_same_every_time():
    """Clock and entropy follow from the seed and the virtual time alone."""
    one, same, other = (SeededAnswers(seed, lambda: 5_000) for seed in (1, 1, 2))
    assert one.wall_clock_ns() == same.wall_clock_ns()
    assert one.wall_clock_ns() != other.wall_clock_ns()
    drawn = [one.entropy(8), one.entropy(8)]
    assert [same.entropy(8), same.entropy(8)] == drawn
    assert drawn[0] != drawn[1]
    assert other.entropy(8) not in drawn


@pytest.mark.parametrize("seed", [0, 1, -1, (1 << 63) - 1, -(1 << 63)])
def test_the_clock_of_a_seed_is_of_our_time(seed):
    """And goes on with virtual time, to its very end."""
    now = [0]
    clock = SeededAnswers(seed, lambda: now[0])
    began = clock.wall_clock_ns()
    assert 2024 <= datetime.fromtimestamp(began / 1e9, UTC).year < 2034
    now[0] = LATEST_NS
    assert answer(clock, "wall-clock", 8) == (began + LATEST_NS).to_bytes(8, "little")


@pytest.mark.parametrize(("now", "words"), [(-1, "before 1970"), (1 << 63, "after 2262")])
def test_a_host_whose_clock_no_guest_could_tell(monkeypatch, now, words):
    """The host's failure; with a seed its clock is not asked."""
    monkeypatch.setattr(time, "time_ns", lambda: now)
    with pytest.raises(HostFailure, match=words) as caught:
        answer(HostAnswers(), "wall-clock", 8)
    assert "--seed" in caught.value.remedy
    assert answer(SeededAnswers(1, lambda: 0), "wall-clock", 8)


def test_a_host_that_cannot_even_count_so_far(monkeypatch):
    """Python itself gives up after 2262."""

    def overflow():
        raise OverflowError("timestamp too large")

    monkeypatch.setattr(time, "time_ns", overflow)
    with pytest.raises(HostFailure, match="after 2262"):
        wall_ns()


def test_output_goes_to_its_port_or_nowhere():
    """An outlet without a listener is silent."""
    heard = []
    live = Live(HostAnswers(), {"serial0": heard.append})
    live.outlet("serial0").emit(b"x")
    live.outlet("serial1").emit(b"y")
    assert heard == [b"x"]
    assert live.outlet("serial0") is live.outlet("serial0")


def test_an_unknown_question_is_our_bug():
    """The outside offers a clock and entropy, nothing else."""
    with pytest.raises(InternalError, match="weather"):
        Live(HostAnswers(), {}).outlet("rtc").ask("weather", 8)
