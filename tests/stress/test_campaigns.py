"""A sample of every campaign; `make stress` runs them in full."""

import pytest

from stress.campaign import find, names

SAMPLES = 100
"""One in so many of the full count."""


@pytest.mark.parametrize("name", names())
def test_a_sample_of_the_campaign_holds(name: str) -> None:
    """Nothing breaks."""
    campaign = find(name)
    count = getattr(campaign, "SAMPLE", max(1, campaign.FULL // SAMPLES))
    result = campaign.run(count)
    assert result.passed, "\n".join(result.failures)
