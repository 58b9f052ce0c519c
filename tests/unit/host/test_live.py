"""The live world, and who answers in it."""

import time

import pytest

from lockstep.det.instant import FOREVER, START
from lockstep.det.world import Arrival
from lockstep.errors import InternalError
from lockstep.host.answers import SEEDED_EPOCH_NS, HostAnswers, SeededAnswers
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
    assert one.wall_clock_ns() == SEEDED_EPOCH_NS + 5_000
    drawn = [one.entropy(8), one.entropy(8)]
    assert [same.entropy(8), same.entropy(8)] == drawn
    assert drawn[0] != drawn[1]
    assert other.entropy(8) not in drawn


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
