"""A wallet's transactions read no orders or parcels from end to end, and verify no signature."""

from pathlib import Path

from tests.customer.purchase.buying import buy, recovered
from tests.support.cryptography import in_transactions
from tests.support.scripted_customer import Market
from tests.support.statements import recorded, scans

GROWING = {"orders", "parcels", "faults", "copies"}


def test_no_transaction_reads_a_growing_table_from_end_to_end(
    market: Market, tmp_path: Path
) -> None:
    with recorded() as statements:
        for number in range(3):
            buy(market, tmp_path / str(number))
            recovered(market)
    assert len(statements) >= 7
    found = {}
    for statement in statements.values():
        scanned = market.wallet.database.run_now(scans, statement) & GROWING
        if scanned:
            found[statement[0]] = scanned
    assert found == {}


def test_a_wallet_signs_and_verifies_outside_of_its_transactions(
    market: Market, tmp_path: Path
) -> None:
    with in_transactions() as found:
        buy(market, tmp_path)
        recovered(market)
    assert found == set()
