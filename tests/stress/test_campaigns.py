"""A sample of every campaign; `make stress` runs them in full."""

import os

import pytest

from stress.campaign import find, names

SAMPLES = 100
"""One in so many of the full count."""


@pytest.mark.parametrize("name", names())
def test_a_sample_of_the_campaign_holds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing breaks."""
    if name == "faults":  # a share of 95 % of few: what it is must not be a matter of luck
        monkeypatch.setenv("LOCKSTEP_SEED", os.environ.get("LOCKSTEP_SEED", "1"))
    campaign = find(name)
    count = getattr(campaign, "SAMPLE", max(1, campaign.FULL // SAMPLES))
    result = campaign.run(count)
    assert result.passed, "\n".join(result.failures)
