"""What system tests share: the template of homes, and nobody at the terminal."""

import pytest

from tests.support.called_commands import nobody, taken_port
from tests.support.roles import Template, prepared_template

__all__ = ["nobody", "taken_port", "template"]


@pytest.fixture(scope="session")
def template() -> Template:
    return prepared_template()
