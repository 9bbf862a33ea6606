"""The peer disputes orders of a real broker, with a real merchant that lies when it is told to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .client import BrokerSession, Http, Tunnel
from .descriptors import read_link
from .disputes import dispute, evidence
from .goods import fetch_catalogue
from .notation import PeerError, Refused
from .purchase import Agreed, Order, Segment, select, sign_action
from .running_market import PASSWORD, Market, market_in, veilmart
from .suites import suite_of

EVIDENCE_INVALID = 4160
LARGE = "Large Picture.bin"


@pytest.fixture(scope="module")
def lie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lie") / "lie"


@pytest.fixture(scope="module")
def crooked(lie: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    lie.write_text("none")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VEILMART_TEST_LIE", str(lie))
        home = tmp_path_factory.mktemp("crooked")
        with market_in(home, "tests.escrow.crooked_merchant") as market:
            yield market


@dataclass(frozen=True)
class Paid:
    """An order whose key is out. segments: as the merchant signed them."""

    session: BrokerSession
    tunnel: Tunnel
    agreed: Agreed
    order: Order
    segments: list[bytes]

    def evidence(self, index: int | None = None) -> bytes:
        shown = b"" if index is None else self.segments[index]
        return evidence(self.tunnel, self.agreed, shown)

    def refused(self, reason: str, index: int, shown: bytes) -> None:
        with pytest.raises(Refused) as caught:
            dispute(self.session, self.agreed, reason, index, shown)
        assert caught.value.code == EVIDENCE_INVALID
        assert self.order.status() == "released"


@contextmanager
def released(
    market: Market, transport: type[Http], user: str, title: str, *, honest: bool = True
) -> Iterator[Paid]:
    """Bought up to step 8 (9.2)."""
    user = f"{user} of {transport.__name__}"
    now = int(time.time())
    link = read_link(market.link)
    with closing(transport(link.host, link.port)) as http:
        session = BrokerSession(http, suite_of(1), link.broker, now)
        welcome = session.start("register", user, PASSWORD)
        veilmart("broker", "credit", user, "100", "--home", market.broker_home)
        merchant = session.merchant(link.merchant, now)
        tunnel = Tunnel(session, merchant, welcome.request_number)
        products = fetch_catalogue(tunnel).products
        [product] = [product for product in products if product.title == title]
        agreed = select(tunnel, session, product, now, Ed25519PrivateKey.generate())
        order = Order(session, tunnel, agreed)
        receipt, _ = order.pay()
        segments = [signed_segment(session, agreed, i) for i in range(len(agreed.pieces))]
        if honest:
            order.release(receipt)
        else:
            with pytest.raises(PeerError):
                order.release(receipt)
        yield Paid(session, tunnel, agreed, order, segments)


def signed_segment(session: BrokerSession, agreed: Agreed, index: int) -> bytes:
    message = {
        "kind": "segment",
        "order": agreed.order,
        "index": index,
        "signature": sign_action(agreed.order_key, agreed.order, "segment", index),
    }
    return session.ask_attached(message, Segment)[1]


def test_an_honest_order_is_not_refunded(crooked: Market, transport: type[Http]) -> None:
    """Neither on its key nor on any segment; the parts of a 1 MiB segment are taken."""
    with released(crooked, transport, "honest", LARGE) as paid:
        paid.refused("key", 0, paid.evidence())
        for index in range(len(paid.segments)):
            paid.refused("segment", index, paid.evidence(index))
        paid.refused("segment", 0, paid.evidence(1))
        assert paid.order.acknowledge() == "settled"


def test_a_wrong_key_is_refunded(crooked: Market, transport: type[Http], lie: Path) -> None:
    lie.write_text("key")
    with released(crooked, transport, "keyless", "One Page.txt", honest=False) as paid:
        lie.write_text("none")
        assert dispute(paid.session, paid.agreed, "key", 0, paid.evidence()) == "refunded"
        assert paid.order.status() == "refunded"


@pytest.mark.parametrize("told", ["piece", "damage"])
def test_a_wrong_segment_is_refunded(
    crooked: Market, transport: type[Http], lie: Path, told: str
) -> None:
    lie.write_text(told)
    with released(crooked, transport, f"cheated {told}", LARGE) as paid:
        lie.write_text("none")
        last = len(paid.segments) - 1
        paid.refused("segment", 0, paid.evidence(0))
        shown = paid.evidence(last)
        assert dispute(paid.session, paid.agreed, "segment", last, shown) == "refunded"
