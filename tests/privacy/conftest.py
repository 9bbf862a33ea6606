"""Two merchants alike, so that one secret can be all the difference between them."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.customer_fixtures import keys as keys, wallet as wallet
from tests.support.roles_fixtures import roles as roles, template as template
from tests.support.scripted_merchant import BROKER_URL, NOW, FakeBroker, Stall
from veilmart.crypto import identity
from veilmart.merchant.home import create_merchant, open_merchant

MakeStall = Callable[[str], Stall]


@pytest.fixture(scope="session")
def broker_key() -> identity.IdentityKey:
    return identity.generate_identity()


@pytest.fixture(scope="session")
def merchant_key() -> identity.IdentityKey:
    return identity.generate_identity()


@pytest.fixture
def make_stall(
    tmp_path: Path,
    broker_key: identity.IdentityKey,
    merchant_key: identity.IdentityKey,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[MakeStall]:
    """A merchant with two small files on a shelf, in a folder of the name given."""
    monkeypatch.setattr(identity, "generate_identity", lambda: merchant_key)
    with ExitStack() as opened:

        def make(name: str) -> Stall:
            goods = tmp_path / name / "goods"
            goods.mkdir(parents=True)
            (goods / "alpha.txt").write_bytes(b"the first product\n" * 40)
            (goods / "beta.txt").write_bytes(b"another\n")
            broker = FakeBroker(broker_key)
            home = tmp_path / name / "merchant"
            create_merchant(home, "shop", BROKER_URL, broker.known)
            market = opened.enter_context(open_merchant(home))
            return Stall.open(market, broker, goods, NOW, os.urandom)

        yield make
