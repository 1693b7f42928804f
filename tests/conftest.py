import os

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture
def rng():
    return np.random.default_rng(2017)


@pytest.fixture
def a5():
    """The 5 by 5 ramp of the published cases: 0 1 2 3 4 / 5 6 .. / .. 24."""
    return np.arange(25.0).reshape(1, 1, 5, 5)
