"""The error-finding code: two wrong leaves are found and corrected, more are not guessed at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.det.syndrome import MAX_PLACE, corrected, errors, moments, pack, syndrome

values = st.integers(0, 2**64 - 1)
states = st.dictionaries(st.integers(1, MAX_PLACE), values, min_size=2, max_size=40)


@given(states, st.data())
def test_one_or_two_wrong_values_are_found_and_corrected(state, data) -> None:
    wrong = data.draw(st.lists(st.sampled_from(sorted(state)), min_size=1, max_size=2, unique=True))
    actual = state | {place: state[place] ^ data.draw(st.integers(1, 2**64 - 1)) for place in wrong}
    found = errors(syndrome(state), syndrome(actual), state)
    assert {place: corrected(actual[place], excess) for place, excess in found.items()} == {
        place: state[place] for place in wrong
    }


@given(states)
def test_equal_states_have_no_errors(state) -> None:
    assert errors(syndrome(state), syndrome(dict(reversed(state.items()))), state) == {}


@given(st.dictionaries(st.integers(1, 1000), values, min_size=3, max_size=9), st.data())
def test_more_than_two_are_not_guessed_at(state, data) -> None:
    """That three wrong values look like two others has a chance of about one in 2**64."""
    actual = {place: value ^ data.draw(st.integers(1, 2**64 - 1)) for place, value in state.items()}
    assert errors(syndrome(state), syndrome(actual), range(1, 1001)) == {}


def test_a_place_that_is_not_there_is_not_named() -> None:
    assert errors(syndrome({1: 5}), syndrome({1: 5, 77: 9}), [1, 2, 3]) == {}


@pytest.mark.parametrize("places", [1, 100, 5000])
def test_it_takes_33_bytes_at_most(places: int) -> None:
    assert len(syndrome({place: 2**64 - place for place in range(1, places + 1)})) <= 33


@given(states)
def test_moments_are_what_they_are_called(state) -> None:
    sums = [sum(value * place**k for place, value in state.items()) for k in range(4)]
    assert moments(state.items()) == sums
    assert syndrome(state) == pack(sums)
