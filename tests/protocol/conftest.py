"""RSA identities, made once: a key takes a good part of a second."""

import pytest
from hypothesis import settings

from veilmart.crypto.identity import IdentityKey, generate_identity

# How long an example takes says nothing about whether it is right.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session")
def merchant_identity() -> IdentityKey:
    return generate_identity()


@pytest.fixture(scope="session")
def broker_identity() -> IdentityKey:
    return generate_identity()


@pytest.fixture(scope="session")
def stranger_identity() -> IdentityKey:
    """Somebody in the middle."""
    return generate_identity()
