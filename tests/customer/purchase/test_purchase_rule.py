"""A purchase against a scripted broker and merchant: the good way, and every lie on it."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.customer.purchase.buying import buy, only_order, recovered
from tests.support.scripted_customer import CONTENT, NOW, Keys, Killed, Market, changed
from veilmart.crypto.padding import pack_product
from veilmart.customer.purchase.recovery_rules import cancel, may_still_be_paid
from veilmart.customer.schema.tables import parcels
from veilmart.customer.wallet.orders import all_orders
from veilmart.customer.wallet.parcels import store_segment, stored_segment
from veilmart.customer.wallet.wallet import Wallet, find_order, open_wallet, unfinished
from veilmart.errors import (
    MONEY_SAFE,
    ContentKeyInvalid,
    Declined,
    DiskFull,
    InsufficientBalance,
    OfferMismatch,
    PaddingInvalid,
    PieceMismatch,
    SignatureInvalid,
    WrongOrderState,
)
from veilmart.limits import PARCEL_IN_DATABASE_MAX_BYTES, PIECE_BYTES
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.protocol.wallet_states import WalletState

LARGE_BYTES = PARCEL_IN_DATABASE_MAX_BYTES + 1024


def kept_parcels(connection: Any, home: Path) -> list[Any]:
    """Whatever is left of parcels, in the database and beside it."""
    folder = home / "parcels"
    files = list(folder.iterdir()) if folder.exists() else []
    return [*connection.execute(select(parcels)), *files]


@pytest.mark.parametrize("suite", [0, 1])
def test_purchase_delivers_and_commits_four_times(
    market: Market, tmp_path: Path, suite: int
) -> None:
    before = market.wallet.database.commits
    bought = buy(market, tmp_path / "out", suite)
    assert market.wallet.database.commits - before == 4
    assert bought.path == tmp_path / "out" / "stars.txt"
    assert bought.path.read_bytes() == CONTENT
    assert bought.balance == market.balance == 9_500
    (invoice,) = market.invoices.values()
    assert invoice.state is InvoiceState.SETTLED
    order = only_order(market.wallet)
    assert order.state == WalletState.DONE
    assert order.file_path == str(bought.path)
    assert not market.wallet.parcels.file_of(order.order).exists()
    assert market.wallet.database.run_now(stored_segment, order.order) is None


def test_nothing_is_stored_before_the_yes(market: Market, tmp_path: Path) -> None:
    market.agree = False
    before = market.wallet.database.commits
    with pytest.raises(Declined):
        buy(market, tmp_path)
    assert market.wallet.database.commits == before
    assert market.wallet.database.run_now(all_orders) == []
    assert market.balance == 10_000


def test_price_above_the_balance_is_refused_before_the_question(
    market: Market, tmp_path: Path
) -> None:
    market.balance = 499
    with pytest.raises(InsufficientBalance, match=r"4\.99"):
        buy(market, tmp_path)
    assert market.wallet.database.run_now(all_orders) == []


OFFER_LIES = {
    "merchant": b"m" * 32,
    "broker": b"b" * 32,
    "descriptor": b"d" * 32,
    "suite": 2,
    "shelf": 2,
    "price": 501,
    "size": 8192,
    "product": b"r" * 32,
    "escrow_key_hash": b"e" * 32,
    "order_key": b"k" * 32,
    "pay_by": NOW,
    "deliver_within": 1,
    "settle_within": 1,
}


@pytest.mark.parametrize("field", OFFER_LIES)
def test_offer_that_differs_in_one_field_is_not_paid(
    market: Market, tmp_path: Path, field: str
) -> None:
    market.tricks.offer = lambda offer: changed(offer, **{field: OFFER_LIES[field]})
    with pytest.raises(OfferMismatch):
        buy(market, tmp_path)
    assert market.balance == 10_000
    assert market.wallet.database.run_now(all_orders) == []


@pytest.mark.parametrize(
    "lie",
    [
        lambda payable: None,
        lambda payable: changed(payable, order=b"o" * 32),
        lambda payable: changed(payable, amount=payable.amount + 1),
        lambda payable: changed(payable, pay_by=payable.pay_by + 1),
        lambda payable: changed(payable, order_key=b"k" * 32),
        lambda payable: changed(payable, deliver_within=payable.deliver_within - 1),
        lambda payable: changed(payable, settle_within=payable.settle_within - 1),
    ],
    ids=[
        "no-invoice",
        "other-order",
        "other-amount",
        "other-payment-deadline",
        "other-order-key",
        "other-delivery-deadline",
        "other-settlement-deadline",
    ],
)
def test_invoice_that_the_broker_reads_differently_is_not_paid(
    market: Market, tmp_path: Path, lie: Any
) -> None:
    market.tricks.payable = lie
    with pytest.raises(OfferMismatch):
        buy(market, tmp_path)
    assert market.balance == 10_000


@pytest.mark.parametrize("pieces", [b"", bytes(32), bytes(64)], ids=["empty", "other", "long"])
def test_piece_list_of_another_product_is_not_paid(
    market: Market, tmp_path: Path, pieces: bytes
) -> None:
    market.tricks.pieces = lambda right: pieces
    with pytest.raises(PieceMismatch):
        buy(market, tmp_path)
    assert market.balance == 10_000


@pytest.mark.parametrize("field", ["broker", "merchant", "order"])
def test_receipt_for_something_else_stops_and_keeps_the_order(
    market: Market, tmp_path: Path, field: str
) -> None:
    market.tricks.receipt = lambda receipt: changed(receipt, **{field: b"x" * 32})
    with pytest.raises(OfferMismatch) as caught:
        buy(market, tmp_path)
    assert caught.value.money_now == MONEY_SAFE
    assert only_order(market.wallet).state == WalletState.CONFIRMING


def test_wrong_key_in_the_invoice_is_kept_as_evidence(market: Market, tmp_path: Path) -> None:
    market.tricks.invoice = lambda invoice: changed(invoice, sealed_key=bytes(64))
    with pytest.raises(ContentKeyInvalid):
        buy(market, tmp_path)
    order = only_order(market.wallet)
    assert order.state == WalletState.RELEASED
    assert order.invoice is not None and order.content_key is None
    (invoice,) = market.invoices.values()
    assert invoice.state is InvoiceState.RELEASED  # not acknowledged
    with pytest.raises(ContentKeyInvalid):
        recovered(market)
    assert list(tmp_path.glob("*.txt*")) == []


def test_signed_segment_with_another_piece_is_not_acknowledged(
    market: Market, tmp_path: Path
) -> None:
    market.tricks.piece = lambda index, piece: bytes(len(piece))
    with pytest.raises(PieceMismatch):
        buy(market, tmp_path / "out")
    assert only_order(market.wallet).state == WalletState.RELEASED
    assert list((tmp_path / "out").glob("*")) == []


def test_damaged_segment_is_fetched_again(market: Market, tmp_path: Path) -> None:
    market.tricks.segment = lambda index, attempt, segment: (
        segment if attempt == 2 else segment[:-1] + bytes([segment[-1] ^ 1])
    )
    assert buy(market, tmp_path / "out").path.read_bytes() == CONTENT
    (invoice,) = market.invoices.values()
    assert invoice.attempts == {0: 3}


def test_segment_that_never_verifies_leaves_the_money_refundable(
    market: Market, tmp_path: Path
) -> None:
    market.tricks.segment = lambda index, attempt, segment: b"junk".ljust(len(segment), b"!")
    with pytest.raises(SignatureInvalid) as caught:
        buy(market, tmp_path / "out")
    assert caught.value.money_now == MONEY_SAFE
    (invoice,) = market.invoices.values()
    assert invoice.state is InvoiceState.HELD
    market.refund()
    assert [done.outcome for done in recovered(market)] == ["refunded"]
    assert only_order(market.wallet).state == WalletState.REFUNDED
    assert market.balance == 10_000


def test_several_pieces_and_a_filler_that_spans_them(
    wallet: Wallet, keys: Keys, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 5000
    market = Market(wallet, keys, content=content, size=3 * PIECE_BYTES + 1024)
    assert buy(market, tmp_path / "out").path.read_bytes() == content


@pytest.mark.parametrize("length", [0, 1, PIECE_BYTES - 51, PIECE_BYTES - 50])
def test_lengths_around_a_piece(wallet: Wallet, keys: Keys, tmp_path: Path, length: int) -> None:
    market = Market(wallet, keys, content=b"x" * length, size=PIECE_BYTES + 1024)
    assert buy(market, tmp_path / "out").path.read_bytes() == b"x" * length


def test_filler_that_is_not_zero_is_not_delivered(
    wallet: Wallet, keys: Keys, tmp_path: Path
) -> None:
    packed = pack_product(bytes(32), "stars.txt", 3) + b"abc" + b"\0" * 100 + b"hidden"
    market = Market(wallet, keys, packed=packed)
    with pytest.raises(PaddingInvalid):
        buy(market, tmp_path / "out")
    assert list((tmp_path / "out").glob("*")) == []


def test_filler_of_later_pieces_costs_nobody_the_goods(
    wallet: Wallet, keys: Keys, tmp_path: Path
) -> None:
    """One piece alone could not show that it is wrong, so it could not be disputed."""
    packed = pack_product(bytes(32), "stars.txt", 3) + b"abc"
    market = Market(
        wallet, keys, packed=packed.ljust(PIECE_BYTES, b"\0") + b"x", size=2 * PIECE_BYTES
    )
    assert buy(market, tmp_path / "out").path.read_bytes() == b"abc"


@pytest.mark.parametrize("length", [4096, 2**53 - 1])
def test_content_longer_than_its_shelf_is_not_delivered(
    wallet: Wallet, keys: Keys, tmp_path: Path, length: int
) -> None:
    market = Market(wallet, keys, packed=pack_product(bytes(32), "stars.txt", length))
    with pytest.raises(PaddingInvalid):
        buy(market, tmp_path / "out")


@pytest.mark.parametrize("name", ["con", "nul.txt", "two.", " edge "])
def test_name_that_is_no_safe_file_name_is_replaced(
    wallet: Wallet, keys: Keys, tmp_path: Path, name: str
) -> None:
    market = Market(wallet, keys, name=name)
    path = buy(market, tmp_path / "out").path
    assert path.parent == tmp_path / "out"
    assert path.name == f"product-{market.product.id.hex()}.bin"
    assert path.read_bytes() == CONTENT


def test_file_of_the_same_name_is_not_replaced(market: Market, tmp_path: Path) -> None:
    first = buy(market, tmp_path / "out").path
    second = buy(market, tmp_path / "out").path
    assert (first.name, second.name) == ("stars.txt", "stars (2).txt")


# ---- interruptions ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "later"),
    [(4096, False), (LARGE_BYTES, False), (4096, True)],
    ids=["small", "large", "settled-later"],
)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_every_effect_it_finishes_or_costs_nothing(
    keys: Keys, tmp_path: Path, after: bool, size: int, later: bool
) -> None:
    killed_at: list[str] = []
    for position in range(1000):
        home, out = tmp_path / f"w{position}", tmp_path / f"out{position}"
        wallet = open_wallet(home, lambda: NOW, keys.random)
        market = Market(wallet, keys, size=size)
        market.kill_at, market.kill_after = position, after
        try:
            buy(market, out, later=later)
        except Killed:
            wallet.close()
        else:
            wallet.close()
            break
        reopened = open_wallet(home, lambda: NOW, keys.random)
        market.wallet, market.kill_at = reopened, None
        outcomes = [found.outcome for found in recovered(market)]
        states = [order.state for order in reopened.database.run_now(all_orders)]
        killed_at.append(",".join(states))
        if market.balance == 9_500:
            assert states == [WalletState.DONE]
            assert (out / "stars.txt").read_bytes() == CONTENT
            assert [i.state for i in market.invoices.values()] == [InvoiceState.SETTLED]
            assert outcomes in (["done"], [])
        else:
            assert market.balance == 10_000
            assert states in ([], [WalletState.ABANDONED])
            assert not out.exists()
        assert unfinished(reopened) == []
        if outcomes or size != LARGE_BYTES:  # files may outlive a kill right after the DONE commit
            assert reopened.database.run_now(kept_parcels, home) == []
        reopened.close()
    assert set(killed_at) == {"", "abandoned", "done"}
    assert len(killed_at) > 25


@pytest.mark.parametrize("size", [4096, LARGE_BYTES], ids=["small", "large"])
def test_order_that_the_merchant_gave_back_meanwhile_ends_as_refunded(
    keys: Keys, tmp_path: Path, size: int
) -> None:
    """Interrupted anywhere between key and end: nothing is left that would be tried for ever."""
    ended = set()
    for position in range(1000):
        home = tmp_path / f"w{position}"
        wallet = open_wallet(home, lambda: NOW, keys.random)
        market = Market(wallet, keys, size=size)
        market.kill_at = position
        try:
            buy(market, tmp_path / f"out{position}")
        except Killed:
            market.kill_at = None
        else:
            wallet.close()
            break
        market.give_back()
        before = [order.state for order in unfinished(wallet)]
        outcomes = [found.outcome for found in recovered(market)]
        if market.given_back and before:
            ended.update(before)
            assert outcomes == ["refunded"]
            assert only_order(wallet).state == WalletState.REFUNDED
        assert unfinished(wallet) == []
        wallet.close()
    assert {WalletState.HELD, WalletState.RELEASED} <= ended


def test_pay_that_arrives_after_the_order_was_abandoned_is_given_back(
    market: Market, tmp_path: Path
) -> None:
    market.tricks.receipt = lambda receipt: changed(receipt, amount=1)
    with pytest.raises(OfferMismatch):
        buy(market, tmp_path)
    (invoice,) = market.invoices.values()
    invoice.state = InvoiceState.OFFERED  # as if Pay were still on its way
    assert [found.outcome for found in recovered(market)] == ["abandoned"]
    invoice.state = InvoiceState.HELD
    assert [found.outcome for found in recovered(market)] == ["cancelled"]
    assert market.balance == 10_000
    order = only_order(market.wallet)
    assert may_still_be_paid(order, NOW) and not may_still_be_paid(order, NOW + 7200)


def test_held_order_can_be_cancelled_and_a_done_one_cannot(market: Market, tmp_path: Path) -> None:
    market.tricks.segment = lambda index, attempt, segment: b""
    with pytest.raises(Exception, match="wrong length"):
        buy(market, tmp_path)
    order = only_order(market.wallet)
    assert market.run(cancel(order, market.clock)).outcome == "cancelled"
    assert market.balance == 10_000
    order = find_order(market.wallet, order.order.hex()[:6])
    assert order.state == WalletState.REFUNDED
    with pytest.raises(WrongOrderState):
        market.run(cancel(order, market.clock))


# ---- the disk --------------------------------------------------------------------------------


def full_disk(*arguments: Any, **options: Any) -> int:
    raise OSError(28, "No space left on device")


def test_full_parcels_folder_stops_before_the_key_and_goes_on_later(
    wallet: Wallet, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = Market(wallet, keys, size=LARGE_BYTES)
    with monkeypatch.context() as patch:
        patch.setattr("veilmart.customer.wallet.parcels.os.pwrite", full_disk)
        with pytest.raises(DiskFull) as caught:
            buy(market, tmp_path / "out")
    assert caught.value.money_now == MONEY_SAFE
    (invoice,) = market.invoices.values()
    assert invoice.state is InvoiceState.HELD
    assert [found.outcome for found in recovered(market)] == ["done"]
    assert (tmp_path / "out" / "stars.txt").read_bytes() == CONTENT


def test_full_out_folder_keeps_the_key_and_goes_on_later(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("veilmart.storage.files.partial_file.os.link", full_disk)
        with pytest.raises(DiskFull):
            buy(market, tmp_path / "out")
    assert only_order(market.wallet).state == WalletState.RELEASED
    assert [found.outcome for found in recovered(market)] == ["done"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["stars.txt"]


def stopped_before_delivery(market: Market, out: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A RELEASED order whose file could not be written."""
    with monkeypatch.context() as patch:
        patch.setattr("veilmart.customer.purchase.file_writer.PartialFile.finish", full_disk)
        with pytest.raises(OSError):
            buy(market, out)
    return only_order(market.wallet)


def test_segment_damaged_on_our_disk_is_fetched_again_and_blames_nobody(
    wallet: Wallet, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = Market(wallet, keys, size=LARGE_BYTES)
    order = stopped_before_delivery(market, tmp_path / "out", monkeypatch)
    stored = wallet.parcels.file_of(order.order)
    stored.write_bytes(stored.read_bytes()[:-1] + b"\0")
    assert [found.outcome for found in recovered(market)] == ["done"]
    assert (tmp_path / "out" / "stars.txt").read_bytes() == CONTENT


@pytest.mark.parametrize("damage", [lambda segment: segment[:-1] + b"\0", lambda segment: b""])
def test_small_parcel_damaged_in_our_database_is_fetched_again_and_blames_nobody(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Any
) -> None:
    order = stopped_before_delivery(market, tmp_path / "out", monkeypatch)
    database = market.wallet.database
    segment = database.run_now(stored_segment, order.order)
    assert segment is not None
    database.run_now(store_segment, order.order, damage(segment))
    assert [found.outcome for found in recovered(market)] == ["done"]
    assert (tmp_path / "out" / "stars.txt").read_bytes() == CONTENT
    assert sum(market.invoices[order.order].attempts.values()) == 2
