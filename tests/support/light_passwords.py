"""Argon2id at the least cost, for brokers in tests where hashing is not what is tested.

Each start of a broker hashes once, each registration and login too: 20 ms each at the real cost. A
test that wants the real cost asks for the fixture `real_passwords`, or starts a real program.
"""

from collections.abc import Iterator

import pytest

from veilmart.broker.accounts import passwords

REAL = passwords.MEMORY_KIB, passwords.PASSES
LEAST = 8, 1  # RFC 9106, section 3.1


def install() -> None:
    """For the brokers made in this process from now on."""
    passwords.MEMORY_KIB, passwords.PASSES = LEAST


@pytest.fixture(scope="module")
def real_passwords() -> Iterator[None]:
    passwords.MEMORY_KIB, passwords.PASSES = REAL
    yield
    install()
