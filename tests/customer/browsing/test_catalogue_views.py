"""Catalogues that are seen lie on one chain, or are kept as proof (docs/protocol/11-tokens.md)."""

from typing import Any

import pytest

from tests.support.scripted_customer import NOW, Keys, counting_random
from veilmart.customer.browsing.catalogue_rules import fetch_catalogue
from veilmart.customer.browsing.tunnel_rules import Tunnel
from veilmart.customer.effects import AskBroker, Tell
from veilmart.customer.trust.pins import PinnedBroker, PinnedMerchant, pin_broker, pin_merchant
from veilmart.customer.trust.proofs import all_proofs, verify_proof
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import ViewsForked
from veilmart.protocol.catalogue import Catalogue, SignedCatalogue, open_catalogue, sign_catalogue
from veilmart.protocol.customer_messages import Relayed
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.protocol.effects import Transact
from veilmart.protocol.handshake import SessionKeys
from veilmart.protocol.merchant_messages import CataloguePage, CustomerTunnelRequest
from veilmart.protocol.tunnel import ReceivedRequest

FIRST = bytes(32)


class Shop:
    """A merchant that shows each view whatever catalogue the test says."""

    def __init__(self, wallet: Wallet, keys: Keys) -> None:
        self.wallet = wallet
        self.keys = keys
        self.merchant: SignedDescriptor = keys.descriptor("merchant", [])
        self.random = counting_random(b"shop")
        broker = keys.descriptor("broker", [])
        known = PinnedBroker(broker.fingerprint, "http://127.0.0.1:8000", broker.signed)
        wallet.database.run_now(pin_broker, known, NOW)
        pin = PinnedMerchant(broker.fingerprint, self.merchant.fingerprint, self.merchant.signed)
        wallet.database.run_now(pin_merchant, pin, NOW)

    def catalogue(self, serial: int, previous: bytes, made_at: int = NOW) -> SignedCatalogue:
        body = Catalogue(
            merchant=self.merchant.fingerprint,
            serial=serial,
            previous=previous,
            made_at=made_at,
            products=[],
            showcases=[],
        )
        blob = sign_catalogue(self.keys.seeds["merchant"], body)
        public = self.merchant.descriptor.signing_key
        return open_catalogue(blob, public, self.merchant.fingerprint)

    def show(self, shown: SignedCatalogue) -> SignedCatalogue:
        """What the wallet makes of it."""
        suite = self.keys.suites[0]
        parts = [self.random(32) for _ in range(4)]
        session = SessionKeys(self.random(16), suite, *parts)
        tunnel = Tunnel(self.merchant, session)
        rule = fetch_catalogue(tunnel, lambda: NOW, self.random)
        answer: Any = None
        while True:
            try:
                effect = rule.send(answer)
            except StopIteration as done:
                return done.value
            answer = self._perform(effect, session, shown)

    def _perform(self, effect: Any, session: SessionKeys, shown: SignedCatalogue) -> Any:
        if isinstance(effect, Transact):
            return self.wallet.database.run_now(effect.function, *effect.args)
        if isinstance(effect, Tell):
            return None
        assert isinstance(effect, AskBroker)
        asked: Any = effect.request
        received: ReceivedRequest[Any] = ReceivedRequest(
            session, CustomerTunnelRequest, asked.record, 65536
        )
        assert received.message.known == b"", "nobody learns which catalogue we have"
        page = CataloguePage(hash=shown.hash, pages=1, data=shown.blob)
        return Relayed(record=received.seal_answer(page, 1, self.random), payable=None)


@pytest.fixture
def shop(wallet: Wallet, keys: Keys) -> Shop:
    return Shop(wallet, keys)


def only_proof(wallet: Wallet) -> bytes:
    (proof,) = wallet.database.run_now(all_proofs)
    return proof.content


def test_one_chain(wallet: Wallet, shop: Shop) -> None:
    first = shop.catalogue(1, FIRST)
    second = shop.catalogue(2, first.hash)
    for shown in (first, first, second, second):
        assert shop.show(shown).hash == shown.hash
    assert wallet.database.run_now(all_proofs) == []


def test_merchant_that_shows_two_catalogues_of_one_serial(wallet: Wallet, shop: Shop) -> None:
    shop.show(shop.catalogue(1, FIRST))
    with pytest.raises(ViewsForked, match="two catalogues 1"):
        shop.show(shop.catalogue(1, FIRST, made_at=NOW - 1))
    found = verify_proof(only_proof(wallet))
    assert found.conclusive
    assert "two catalogues 1" in found.finding


def test_merchant_whose_next_catalogue_follows_another_one(wallet: Wallet, shop: Shop) -> None:
    shop.show(shop.catalogue(1, FIRST))
    with pytest.raises(ViewsForked, match="does not follow"):
        shop.show(shop.catalogue(2, b"x" * 32))
    assert verify_proof(only_proof(wallet)).conclusive


def test_an_older_catalogue_shows_nothing_of_what_was_seen(wallet: Wallet, shop: Shop) -> None:
    """A refusal would tell a broker what an earlier connection of this wallet has seen."""
    first = shop.catalogue(1, FIRST)
    shop.show(shop.catalogue(2, first.hash))
    assert shop.show(first).hash == first.hash
    assert wallet.database.run_now(all_proofs) == []
    with pytest.raises(ViewsForked):  # the newest is still what counts
        shop.show(shop.catalogue(3, b"x" * 32))
