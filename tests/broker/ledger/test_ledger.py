"""The books: rules one by one, and random sequences."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from tests.support.engines import both_engines
from veilmart.broker.ledger import booking
from veilmart.broker.schema import migrations, tables
from veilmart.errors import LedgerViolated, StorageFailure
from veilmart.protocol.accounting import AccountKind, Posting, transfer
from veilmart.storage.database.open_database import open_database
from veilmart.storage.database.port import Database


@pytest.fixture
def books(tmp_path: Path, database_url: str | None) -> Iterator[Database]:
    place = database_url or tmp_path / "books.sqlite"
    books = open_database(place, tables.metadata, migrations, schema="veilmart_broker")
    yield books
    books.close()


def account(books: Database) -> int:
    return books.run_now(booking.open_account, AccountKind.CUSTOMER)


@both_engines
def test_tables_and_migration_agree(books: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def difference(conn: Connection) -> list[Any]:
        context = MigrationContext.configure(conn)
        # An index on an expression is shown as written here and as normalised there.
        found = compare_metadata(context, tables.metadata)
        return [what for what in found if getattr(what[1], "name", "") != "once_per_order"]

    assert books.run_now(difference) == []


@both_engines
def test_a_transfer_moves_money(books: Database) -> None:
    customer = account(books)
    books.run_now(booking.book, "credit", b"", 1, transfer(tables.CASH, customer, 700))
    assert books.run_now(booking.balance_of, customer) == 700
    assert books.run_now(booking.totals) == {"cash": -700, "customer": 700, "escrow": 0, "fees": 0}


@pytest.mark.parametrize(
    "moves",
    [
        (),
        (Posting(1, 5),),
        (Posting(1, -5), Posting(2, 4)),
    ],
    ids=["nothing", "one side", "not zero"],
)
@both_engines
def test_unbalanced_postings_are_refused(books: Database, moves: tuple[Posting, ...]) -> None:
    with pytest.raises(LedgerViolated):
        books.run_now(booking.book, "credit", b"", 1, moves)


@both_engines
def test_nothing_but_cash_goes_below_zero(books: Database) -> None:
    customer = account(books)
    with pytest.raises(LedgerViolated):
        books.run_now(booking.book, "payout", b"", 1, transfer(customer, tables.CASH, 1))
    assert books.run_now(booking.balance_of, customer) == 0
    count = text("SELECT count(*) FROM transactions")
    assert books.run_now(lambda conn: conn.execute(count).scalar_one()) == 0


@both_engines
def test_accounts_that_are_not_there_are_refused(books: Database) -> None:
    with pytest.raises(LedgerViolated):
        books.run_now(booking.book, "credit", b"", 1, transfer(tables.CASH, 99, 1))


@pytest.mark.parametrize("second", ["hold", "settle", "refund"])
@both_engines
def test_an_orders_money_goes_one_way_once(books: Database, second: str) -> None:
    customer, order = account(books), os.urandom(32)
    books.run_now(booking.book, "credit", b"", 1, transfer(tables.CASH, customer, 900))
    first = "hold" if second == "hold" else "settle"
    books.run_now(booking.book, first, order, 1, transfer(customer, tables.ESCROW, 100))  # type: ignore[arg-type]
    with pytest.raises(LedgerViolated):
        books.run_now(booking.book, second, order, 1, transfer(customer, tables.ESCROW, 100))  # type: ignore[arg-type]


@pytest.mark.parametrize("table", ["transactions", "postings"])
@pytest.mark.parametrize("change", ["UPDATE {} SET id = id + 1", "DELETE FROM {}"])
@both_engines
def test_books_only_grow(books: Database, table: str, change: str) -> None:
    books.run_now(booking.book, "credit", b"", 1, transfer(tables.CASH, account(books), 1))

    def tamper(conn: Connection) -> None:
        with pytest.raises(IntegrityError, match="only grows"):
            conn.execute(text(change.format(table)))

    books.run_now(tamper)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(-5, 1000)),
        max_size=30,
    )
)
def test_any_sequence_of_transfers_keeps_the_books(moves: list[tuple[int, int, int]]) -> None:
    books = open_database("sqlite://", tables.metadata, migrations)
    accounts = [tables.CASH, tables.ESCROW, *(account(books) for _ in range(3))]
    replayed = dict.fromkeys(accounts, 0)
    for source, target, amount in moves:
        payer, payee = accounts[source], accounts[target]
        fits = payer == tables.CASH or replayed[payer] >= amount
        try:
            books.run_now(booking.book, "credit", b"", 1, transfer(payer, payee, amount))
        except LedgerViolated:
            assert amount <= 0 or payer == payee or not fits
            continue
        assert fits
        replayed[payer] -= amount
        replayed[payee] += amount
    stored = {number: books.run_now(booking.balance_of, number) for number in accounts}
    books.close()
    assert stored == replayed
    assert sum(stored.values()) == 0


def test_ledger_violations_are_not_told_to_peers() -> None:
    assert issubclass(LedgerViolated, StorageFailure)
