"""The template of homes is made once for all system tests that copy it."""

import pytest

from tests.support.roles import Template, prepared_template


@pytest.fixture(scope="session")
def template() -> Template:
    return prepared_template()
