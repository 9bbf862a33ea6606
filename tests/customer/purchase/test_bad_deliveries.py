"""Segments that are cut, changed, swapped; a wrong root; a full disk under the wallet."""

import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.customer.purchase.buying import buy, only_order, recovered
from tests.support.scripted_customer import Keys, Market
from veilmart.customer.events import SegmentRefetched
from veilmart.customer.wallet.wallet import DATABASE_FILE, Wallet
from veilmart.errors import (
    MONEY_SAFE,
    DiskFull,
    MalformedMessage,
    OfferMismatch,
    PieceMismatch,
    SignatureInvalid,
)
from veilmart.limits import PIECE_BYTES
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.protocol.wallet_states import WalletState

BIG = bytes(range(256)) * 10_000


@pytest.fixture
def big(wallet: Wallet, keys: Keys) -> Market:
    """A product of three pieces."""
    return Market(wallet, keys, content=BIG, size=3 * PIECE_BYTES)


def refetched(market: Market) -> list[int]:
    return [event.index for event in market.told if isinstance(event, SegmentRefetched)]


@pytest.mark.parametrize("kept", [0, 1, 64, PIECE_BYTES])
def test_interrupted_segment_is_asked_for_again(big: Market, tmp_path: Path, kept: int) -> None:
    big.tricks.segment = lambda index, attempt, segment: (
        segment[:kept] if (index, attempt) == (1, 0) else segment
    )
    assert buy(big, tmp_path / "out").path.read_bytes() == BIG
    assert refetched(big) == [1]


@pytest.mark.parametrize("at", [0, 63, 64, 100, PIECE_BYTES // 2, -1])
def test_corrupted_segment_is_asked_for_again(big: Market, tmp_path: Path, at: int) -> None:
    def flip(index: int, attempt: int, segment: bytes) -> bytes:
        changed = bytearray(segment)
        changed[at] ^= 1
        return bytes(changed) if (index, attempt) == (2, 0) else segment

    big.tricks.segment = flip
    assert buy(big, tmp_path / "out").path.read_bytes() == BIG
    assert refetched(big) == [2]


def test_segment_of_another_place_is_not_taken(big: Market, tmp_path: Path) -> None:
    seen: dict[int, bytes] = {}

    def swap(index: int, attempt: int, segment: bytes) -> bytes:
        seen[index] = segment
        return seen[0] if index == 1 else segment

    big.tricks.segment = swap
    with pytest.raises(SignatureInvalid) as caught:
        buy(big, tmp_path / "out")
    assert caught.value.money_now == MONEY_SAFE
    big.tricks.segment = lambda index, attempt, segment: segment
    before = dict(next(iter(big.invoices.values())).attempts)
    assert [found.outcome for found in recovered(big)] == ["done"]
    after = next(iter(big.invoices.values())).attempts
    assert after[0] == before[0]  # what was there was not fetched again


def test_segments_too_long_are_not_taken(big: Market, tmp_path: Path) -> None:
    big.tricks.segment = lambda index, attempt, segment: segment + b"\0"
    with pytest.raises(MalformedMessage):
        buy(big, tmp_path / "out")
    (invoice,) = big.invoices.values()
    assert invoice.state is InvoiceState.HELD
    big.refund()
    assert [found.outcome for found in recovered(big)] == ["refunded"]


def test_merchant_that_offers_another_root_is_not_paid(big: Market, tmp_path: Path) -> None:
    big.tricks.offer = lambda offer: msgspec.structs.replace(offer, product=bytes(31) + b"\1")
    with pytest.raises(OfferMismatch) as caught:
        buy(big, tmp_path / "out")
    assert "product" in caught.value.detail
    assert big.balance == 10_000
    assert all(found.state is InvoiceState.OFFERED for found in big.invoices.values())


def test_merchant_that_lists_other_pieces_is_not_paid(big: Market, tmp_path: Path) -> None:
    big.tricks.pieces = lambda pieces: pieces[32:] + pieces[:32]
    with pytest.raises(PieceMismatch):
        buy(big, tmp_path / "out")
    assert big.balance == 10_000


@pytest.mark.parametrize("index", [0, 1, 2])
def test_merchant_that_serves_a_wrong_piece_is_not_acknowledged(
    big: Market, tmp_path: Path, index: int
) -> None:
    big.tricks.piece = lambda at, piece: piece[::-1] if at == index else piece
    with pytest.raises(PieceMismatch) as caught:
        buy(big, tmp_path / "out")
    assert caught.value.code == 2109
    (invoice,) = big.invoices.values()
    assert invoice.state is InvoiceState.RELEASED
    assert list((tmp_path / "out").glob("*")) == []


# ---- a full disk at each of the wallet's writers -------------------------------------------------


def limited(market: Market, pages: int) -> Any:
    return market.wallet.database.run_now(
        lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages}").scalar()
    )


def test_full_wallet_database_costs_nothing_and_the_purchase_goes_on(
    market: Market, tmp_path: Path
) -> None:
    with sqlite3.connect(market.wallet.home.path / DATABASE_FILE) as beside:
        beside.execute("VACUUM")  # no page that a migration left free
    pages = market.wallet.database.run_now(
        lambda c: c.exec_driver_sql("PRAGMA page_count").scalar()
    )
    limited(market, pages)  # type: ignore[arg-type]
    with pytest.raises(DiskFull) as caught:
        buy(market, tmp_path / "out")
    assert caught.value.code == 5101
    limited(market, 1 << 30)
    if not recovered(market):
        assert market.balance == 10_000  # it was full before anything was stored or paid
        buy(market, tmp_path / "out")
    assert market.balance == 9_500
    assert (tmp_path / "out" / "stars.txt").exists()


def full(*arguments: Any, **options: Any) -> Any:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("writer", "state"),
    [
        ("veilmart.customer.wallet.parcels.os.open", WalletState.CONFIRMING),
        ("veilmart.customer.wallet.parcels.os.pwrite", WalletState.CONFIRMING),
        ("veilmart.customer.wallet.parcels.os.fsync", WalletState.CONFIRMING),
        ("veilmart.storage.files.partial_file.os.fsync", WalletState.RELEASED),
        ("veilmart.storage.files.partial_file.os.link", WalletState.RELEASED),
    ],
)
def test_full_disk_at_each_writer_is_clear_and_the_purchase_goes_on(
    big: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str, state: str
) -> None:
    with monkeypatch.context() as patch:
        if "fsync" in writer and "parcels" in writer:
            patch.setattr(type(big.wallet.parcels), "make_durable", typed_full)
        elif writer.endswith("partial_file.os.fsync"):
            patch.setattr("veilmart.storage.files.partial_file.sync_folder", full)
        elif writer.endswith("parcels.os.open"):
            patch.setattr(type(big.wallet.parcels), "store", typed_full)
        else:
            patch.setattr(writer, full)
        with pytest.raises(DiskFull) as caught:
            buy(big, tmp_path / "out")
    assert caught.value.code == 5101 and "customer sync" in caught.value.hint
    assert caught.value.money_now == MONEY_SAFE
    order = only_order(big.wallet)
    assert order.state == state
    left = [path.name for path in (tmp_path / "out").glob("*") if path.suffix != ".part"]
    attempts = dict(next(iter(big.invoices.values())).attempts)
    assert [found.outcome for found in recovered(big)] == ["done"]
    assert (tmp_path / "out" / order.file_name).read_bytes() == BIG
    if state == WalletState.RELEASED:
        assert next(iter(big.invoices.values())).attempts == attempts
        assert left in ([], ["stars.txt"])


def typed_full(*_: Any) -> None:
    raise DiskFull("The folder parcels")
