"""A full disk under the broker's books: clear, nothing half done, and it goes on with room."""

import os
from pathlib import Path

import pytest
from sqlalchemy import Connection

from veilmart.broker.accounts.customers import add_customer
from veilmart.broker.audit import audit
from veilmart.broker.ledger import booking
from veilmart.broker.schema import migrations, tables
from veilmart.errors import DiskFull
from veilmart.protocol.accounting import transfer
from veilmart.storage.database.open_database import open_database


def test_full_broker_database_books_all_or_nothing_and_goes_on(tmp_path: Path) -> None:
    books = open_database(tmp_path / "books.sqlite", tables.metadata, migrations)
    customer = books.run_now(add_customer, "anna", "$argon2id$", os.urandom(32), 1)

    def credit() -> None:
        postings = transfer(tables.CASH, customer, 1)
        books.run_now(booking.book, "credit", os.urandom(32), 1, postings)

    def limit(connection: Connection, pages: int) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    used = books.run_now(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar_one())
    books.run_now(limit, used)
    booked = 0
    with pytest.raises(DiskFull) as caught:
        for _ in range(10_000):
            credit()
            booked += 1
    assert caught.value.code == 5101
    assert books.run_now(booking.balance_of, customer) == booked
    books.run_now(limit, 1 << 30)
    credit()
    assert books.run_now(booking.balance_of, customer) == booked + 1
    assert all(check.holds for check in books.run_now(audit))
    books.close()
