"""The two database engines, for tests that run on both."""

import pytest

ENGINES = ["sqlite", "postgresql"]

both_engines = pytest.mark.parametrize("engine", ENGINES, indirect=True)
