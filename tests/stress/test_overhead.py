"""What the pairs of boots say of all such pairs."""

import pytest

from stress.campaigns.overhead import median_bounds


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [pytest.param(20, 6, 15, id="20"), pytest.param(100, 41, 60, id="100")],
)
def test_the_bounds_of_a_median_are_ranks(count: int, low: int, high: int) -> None:
    """As in a table of the binomial distribution; the order of what was measured is nothing."""
    assert median_bounds([*range(count, 0, -2), *range(1, count, 2)]) == (low, high)


def test_one_pair_says_no_more_than_itself() -> None:
    assert median_bounds([1.5]) == (1.5, 1.5)
