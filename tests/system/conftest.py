"""The template of homes is made once for all system tests that copy it."""

import pytest

from tests.support.roles import Clock, Template, make_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return make_template(tmp_path_factory.mktemp("template"), Clock())
