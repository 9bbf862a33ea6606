"""Wallets in fresh folders, and identities that are made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.scripted_customer import NOW, Keys, Market, counting_random
from veilmart.customer.wallet.wallet import Wallet, open_wallet


@pytest.fixture(scope="session")
def keys() -> Keys:
    return Keys()


@pytest.fixture
def wallet(tmp_path: Path) -> Iterator[Wallet]:
    opened = open_wallet(tmp_path / "wallet", lambda: NOW, counting_random(b"wallet"))
    yield opened
    opened.close()


@pytest.fixture
def market(wallet: Wallet, keys: Keys) -> Market:
    return Market(wallet, keys)
