"""Keys here are generated as the product generates them, not prepared."""

from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.prepared_keys import generated


@pytest.fixture(scope="package", autouse=True)
def generated_keys() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rsa, "generate_private_key", generated)
        yield
