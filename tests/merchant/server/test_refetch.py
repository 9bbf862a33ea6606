"""What the merchant serves again, to whom, and what it keeps to itself."""

from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, update

from tests.support.scripted_merchant import Stall
from veilmart.crypto import signing
from veilmart.errors import (
    NotSettled,
    NotYourBroker,
    OrderKeyInvalid,
    OrderUnknown,
    ProductGone,
    SegmentUnknown,
    VeilmartError,
)
from veilmart.merchant.schema.tables import orders
from veilmart.merchant.stocking.adding import add_now
from veilmart.merchant.stocking.packing import sources_in
from veilmart.protocol.link_messages import Report, ReportEntry, TunnelRelay
from veilmart.protocol.merchant_messages import (
    Again,
    GetPiece,
    Granted,
    Offered,
    Piece,
    Recall,
    Recalled,
)
from veilmart.protocol.offer import order_of
from veilmart.protocol.order_key import sign_action
from veilmart.protocol.parcel import check_piece_list, piece_hash
from veilmart.protocol.tunnel import PendingRequest


class Owner:
    """Somebody who bought alpha.txt and comes back in a new tunnel."""

    def __init__(self, stall: Stall, event: str | None = "settled") -> None:
        self.stall = stall
        link = stall.link()
        customer = stall.customer(link)
        chosen = stall.selection(customer)
        self.seed, self.root = customer.order_seed, chosen.root
        self.shelf = chosen.shelf
        offered, _, _ = stall.tell(link, customer, chosen, Offered)
        self.offer = offered.offer
        self.order = order_of(self.offer)
        if event is not None:
            entry: Any = ReportEntry(sequence=1, order=self.order, event=event, at=stall.now, fee=0)  # type: ignore[arg-type]
            stall.ask(link, Report(entries=[entry], balance=500))
        self.link, self.tunnel = link, stall.customer(link)

    def again(self, **changes: Any) -> Again:
        fields = {
            "broker": self.stall.broker.fingerprint,
            "shelf": self.shelf,
            "offer": self.offer,
            "root": self.root,
            "signature": sign_action(self.seed, self.order, "again"),
        }
        return Again(**(fields | changes))

    def recall(self, **changes: Any) -> Recall:
        fields = {
            "broker": self.stall.broker.fingerprint,
            "order": self.order,
            "signature": sign_action(self.seed, self.order, "recall"),
        }
        return Recall(**(fields | changes))

    def piece(self, index: int, **changes: Any) -> GetPiece:
        return GetPiece(**msgspec.structs.asdict(self.again(**changes)), index=index)

    def tell(self, message: Any, kind: Any) -> Any:
        answer, invoice, self.record = self.stall.tell(self.link, self.tunnel, message, kind)
        assert invoice == b""
        return answer

    def refused(self, message: Any) -> VeilmartError:
        with pytest.raises(VeilmartError) as caught:
            self.tell(message, Granted)
        return caught.value


def test_what_was_settled_is_served_again(stall: Stall) -> None:
    owner = Owner(stall)
    granted = owner.tell(owner.again(), Granted)
    check_piece_list(granted.pieces, owner.root, granted.size)
    piece = owner.tell(owner.piece(0), Piece)
    assert piece_hash(piece.data) == granted.pieces[:32]
    assert owner.tell(owner.again(), Granted) == granted
    assert isinstance(owner.refused(owner.piece(len(granted.pieces) // 32)), SegmentUnknown)


@pytest.mark.parametrize("event", [None, "refunded"])
def test_only_what_the_broker_reported_settled(stall: Stall, event: str | None) -> None:
    owner = Owner(stall, event)
    assert isinstance(owner.refused(owner.again()), NotSettled)
    assert isinstance(owner.refused(owner.piece(0)), NotSettled)


def test_a_newer_version_of_the_same_product_only(stall: Stall, tmp_path: Any) -> None:
    owner = Owner(stall)
    folder = tmp_path / "newer"
    folder.mkdir()
    (folder / "alpha.txt").write_text("Alpha, corrected.\n")
    add_now(stall.market, tuple(sources_in(folder)), price=500, now=stall.now, random=stall.random)
    stall.reload()
    current = {p.title: p.root for p in stall.state.shop.products.values()}
    assert current["alpha.txt"] != owner.root
    others = [root for title, root in current.items() if title != "alpha.txt"]
    assert isinstance(owner.refused(owner.again(root=others[0])), ProductGone)
    assert isinstance(owner.refused(owner.again(root=bytes(32))), ProductGone)
    granted = owner.tell(owner.again(root=current["alpha.txt"]), Granted)
    check_piece_list(granted.pieces, current["alpha.txt"], granted.size)
    newest = owner.piece(0, root=current["alpha.txt"])
    assert piece_hash(owner.tell(newest, Piece).data) == granted.pieces[:32]
    assert isinstance(owner.refused(owner.piece(0, root=others[0])), ProductGone)


def test_nobody_else_gets_it(stall: Stall) -> None:
    owner = Owner(stall)
    thief = signing.generate_signing_key(stall.random)
    forged = sign_action(thief, owner.order, "again")
    for request in (owner.again(signature=forged), owner.piece(0, signature=forged)):
        assert isinstance(owner.refused(request), OrderKeyInvalid)
    other = sign_action(owner.seed, owner.order, "status")
    assert isinstance(owner.refused(owner.again(signature=other)), OrderKeyInvalid)
    changed = owner.offer[:-1] + bytes([owner.offer[-1] ^ 1])
    assert isinstance(owner.refused(owner.again(offer=changed)), OrderUnknown)
    assert isinstance(owner.refused(owner.again(offer=b"")), OrderUnknown)
    assert isinstance(owner.refused(owner.again(shelf=owner.shelf + 1)), OrderUnknown)


@pytest.mark.parametrize("event", [None, "settled", "refunded"])
def test_an_order_is_recalled_by_its_order_key(stall: Stall, event: str | None) -> None:
    owner = Owner(stall, event)
    recalled = owner.tell(owner.recall(), Recalled)
    assert recalled.offer == owner.offer
    [product] = [one for one in stall.state.shop.products.values() if one.root == owner.root]
    assert recalled.product == product.id
    assert len(owner.record) == 24 + 1024 + 32


def test_nobody_else_recalls_it(stall: Stall) -> None:
    owner, other = Owner(stall), Owner(stall)
    for signature in (
        sign_action(signing.generate_signing_key(stall.random), owner.order, "recall"),
        sign_action(owner.seed, owner.order, "again"),
        sign_action(owner.seed, other.order, "recall"),
        bytes(64),
    ):
        assert isinstance(owner.refused(owner.recall(signature=signature)), OrderKeyInvalid)
    unknown = bytes(32)
    signature = sign_action(owner.seed, unknown, "recall")
    request = owner.recall(order=unknown, signature=signature)
    assert isinstance(owner.refused(request), OrderUnknown)
    assert isinstance(owner.refused(owner.recall(broker=bytes(32))), NotYourBroker)


def test_an_order_from_before_offers_were_kept(stall: Stall) -> None:
    owner = Owner(stall)
    stall.market.database.run_now(_forget_offer, owner.order)
    assert isinstance(owner.refused(owner.recall()), OrderUnknown)
    owner.tell(owner.again(), Granted)


def _forget_offer(connection: Connection, order: bytes) -> None:
    connection.execute(update(orders).where(orders.c.order == order).values(offer=None))


def test_grant_and_refusal_look_alike_to_the_broker(stall: Stall) -> None:
    owner = Owner(stall)
    owner.tell(owner.again(), Granted)
    length = len(owner.record)
    stranger = Owner(stall, None)
    stranger.refused(stranger.again())
    assert len(raw_record(stranger)) == length


def raw_record(owner: Owner) -> bytes:
    pending = PendingRequest(owner.tunnel.keys, owner.again(), 1, owner.stall.random)
    relayed: Any = owner.stall.ask(
        owner.link, TunnelRelay(request_number=owner.tunnel.number, record=pending.record)
    ).message
    record: bytes = relayed.record
    return record
