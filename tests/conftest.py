"""Settings that every test shares."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# How long an example takes says more about a busy machine than about the code.
settings.register_profile("lockstep", deadline=None)
settings.load_profile("lockstep")


@pytest.fixture(scope="session", autouse=True)
def data_directory(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Images that tests record with are not kept among the user's."""
    os.environ["LOCKSTEP_DATA"] = str(tmp_path_factory.mktemp("data"))
