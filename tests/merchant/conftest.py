"""A merchant in a temporary home, a broker made of protocol functions, and a clock to turn."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.merchant.cli.saying import fresh, goods, say
from tests.support.scripted_merchant import BROKER_URL, NOW, FakeBroker, Stall
from veilmart.crypto import identity
from veilmart.merchant import home as market_home
from veilmart.merchant.home import MerchantHome, create_merchant, open_merchant

__all__ = ["fresh", "goods", "say"]


@pytest.fixture(scope="session")
def broker_key() -> identity.IdentityKey:
    return identity.generate_identity()


@pytest.fixture(scope="session")
def merchant_key() -> identity.IdentityKey:
    return identity.generate_identity()


@pytest.fixture
def broker(broker_key: identity.IdentityKey) -> FakeBroker:
    return FakeBroker(broker_key)


@pytest.fixture
def home(
    tmp_path: Path,
    broker: FakeBroker,
    merchant_key: identity.IdentityKey,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """An initialised home; its identity is made once per session, for speed."""
    monkeypatch.setattr(market_home.identity, "generate_identity", lambda: merchant_key)  # type: ignore[attr-defined]
    path = tmp_path / "merchant"
    create_merchant(path, "shop", BROKER_URL, broker.known)
    return path


@pytest.fixture
def market(home: Path) -> Iterator[MerchantHome]:
    with open_merchant(home) as market:
        yield market


@pytest.fixture
def stall(market: MerchantHome, broker: FakeBroker, tmp_path: Path) -> Stall:
    """A merchant with two small products on one shelf, ready to serve, driven by hand."""
    goods = tmp_path / "goods"
    goods.mkdir()
    (goods / "alpha.txt").write_bytes(b"the first product\n" * 40)
    (goods / "beta.txt").write_bytes(b"another\n")
    return Stall.open(market, broker, goods, NOW, os.urandom)
