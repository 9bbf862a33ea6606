"""A broker's books with any number of settled orders in them, as they are after their answers went.

`python -m bench.old_books HOME COUNT` makes a home with COUNT orders over twelve months.
"""

import os
import random
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, func, insert, select, text, update
from tests.support.scripted_broker import PRICE, SHELF

from veilmart.broker import merchants
from veilmart.broker.home import BrokerHome, initialise, renew_descriptor
from veilmart.broker.ledger.booking import open_account
from veilmart.broker.schema import tables
from veilmart.crypto import identity, signing
from veilmart.crypto.suite import all_suites
from veilmart.limits import DESCRIPTOR_SECONDS
from veilmart.protocol import labels
from veilmart.protocol.accounting import AccountKind
from veilmart.protocol.descriptor import (
    FIRST_PREVIOUS,
    Descriptor,
    TunnelKey,
    read_descriptor,
    sign_descriptor,
)
from veilmart.protocol.offer import Invoice, sign_object
from veilmart.terminal.clock import unix_now

CUSTOMERS = 2000
MONTHS = 12
AT_ONCE = 20_000
_MONTH_SECONDS = 30 * 24 * 3600


class OldBooks:
    """Makes rows as they are left by purchases: every signature verifies, every sum is right."""

    def __init__(self, opened: BrokerHome, now: int) -> None:
        self._opened = opened
        self._begin = now - MONTHS * _MONTH_SECONDS
        self._seed = os.urandom(32)
        self._random = random.Random(os.urandom(16))  # not secret, only fast
        self._order_key = signing.public_key(os.urandom(32))
        key = identity.generate_identity()
        descriptor = Descriptor(
            role="merchant",
            name="shop",
            identity=identity.public_spki(key),
            tunnel_keys=[
                TunnelKey(suite=suite.id, public=suite.dh.generate(os.urandom).public)
                for suite in all_suites()
            ],
            signing_key=signing.public_key(self._seed),
            shelves=[SHELF],
            price_points=[],
            currency="EUR",
            decimals=2,
            brokers=[opened.fingerprint],
            serial=1,
            previous=FIRST_PREVIOUS,
            not_before=self._begin,
            not_after=self._begin + DESCRIPTOR_SECONDS,
            extensions={},
        )
        self.merchant = read_descriptor(sign_descriptor(descriptor, key))

    def fill(self, count: int) -> None:
        """`count` settled orders, the oldest first, spread evenly over the months."""
        run = self._opened.database.run_now
        run(merchants.admit, self.merchant, "127.0.0.1:9")
        account = run(merchants.load_merchants)[0].account
        accounts = run(self._open_customers, count)
        entry = run(_newest_entry) + 1
        for start in range(0, count, AT_ONCE):
            # Signed before the transaction: PostgreSQL ends one that is idle for long.
            size = min(AT_ONCE, count - start)
            run(_insert_all, self._rows((start, size, count), accounts, account, entry))
            entry += 2 * size
        run(self._close, count, account)

    def sign(self, invoice: Invoice) -> bytes:
        """As the merchant signs it."""
        return sign_object(self._seed, labels.INVOICE, invoice)

    def _open_customers(self, conn: Connection, count: int) -> list[int]:
        opened = []
        for number in range(CUSTOMERS):
            account = open_account(conn, AccountKind.CUSTOMER)
            opened.append(account)
            row = {"account": account, "username": f"c{number}", "password_hash": "$argon2id$"}
            conn.execute(insert(tables.customers), row)
        # Each has paid in what it is going to spend.
        credit = {"kind": "credit", "reference": b"", "at": self._begin}
        for number, account in enumerate(opened):
            amount = PRICE * len(range(number, count, CUSTOMERS))
            if amount:
                new = insert(tables.transactions).returning(tables.transactions.c.id)
                entry = conn.execute(new, credit).scalar_one()
                conn.execute(insert(tables.postings), _moves(entry, tables.CASH, account, amount))
        return opened

    def _rows(
        self, part: tuple[int, int, int], accounts: list[int], merchant: int, entry: int
    ) -> dict[Table, list[dict[str, Any]]]:
        """part: the first order, how many, and of how many in all. entry: the next number."""
        start, size, count = part
        transactions: list[dict[str, Any]] = []
        postings: list[dict[str, Any]] = []
        invoices: list[dict[str, Any]] = []
        reports: list[dict[str, Any]] = []
        for number in range(start, start + size):
            at = self._begin + number * MONTHS * _MONTH_SECONDS // count
            order = self._random.randbytes(32)
            transactions += (
                {"id": entry, "kind": "hold", "reference": order, "at": at},
                {"id": entry + 1, "kind": "settle", "reference": order, "at": at + 60},
            )
            payer = accounts[number % CUSTOMERS]
            postings += _moves(entry, payer, tables.ESCROW, PRICE)
            postings += _moves(entry + 1, tables.ESCROW, merchant, PRICE)
            invoices.append(self._invoice(order, entry, at))
            reports.append(self._report(order, number + 1, at + 60))
            entry += 2
        return {
            tables.transactions: transactions,
            tables.postings: postings,
            tables.invoices: invoices,
            tables.reports: reports,
        }

    def _invoice(self, order: bytes, hold: int, at: int) -> dict[str, Any]:
        invoice = Invoice(
            merchant=self.merchant.fingerprint,
            broker=self._opened.fingerprint,
            order=order,
            suite=1,
            amount=PRICE,
            order_key=self._order_key,
            sealed_key=bytes(64),
            pay_by=at + SHELF.pay_within,
            deliver_within=SHELF.deliver_within,
            settle_within=SHELF.settle_within,
        )
        return {
            "order": order,
            "merchant": self.merchant.fingerprint,
            "signed": self.sign(invoice),
            "amount": PRICE,
            "order_key": self._order_key,
            "deliver_within": SHELF.deliver_within,
            "settle_within": SHELF.settle_within,
            "state": "settled",
            "due": at + 30 + SHELF.settle_within,
            "held_at": at,
            "hold": hold,
        }

    def _report(self, order: bytes, sequence: int, at: int) -> dict[str, Any]:
        return {
            "merchant": self.merchant.fingerprint,
            "sequence": sequence,
            "order": order,
            "event": "settled",
            "at": at,
            "delivered": 1,
        }

    def _close(self, conn: Connection, count: int, merchant: int) -> None:
        for account, change in ((tables.CASH, -PRICE * count), (merchant, PRICE * count)):
            rows = update(tables.accounts).where(tables.accounts.c.id == account)
            conn.execute(rows.values(balance=tables.accounts.c.balance + change))
        conn.execute(update(tables.merchants).values(last_sequence=count))
        if conn.dialect.name == "postgresql":
            # Our numbers did not come from the sequence.
            newest = select(func.max(tables.transactions.c.id)).scalar_subquery()
            sequence = func.pg_get_serial_sequence("transactions", "id")
            conn.execute(select(func.setval(sequence, newest)))
            conn.execute(text("ANALYZE"))


def _newest_entry(conn: Connection) -> int:
    return int(conn.execute(select(func.max(tables.transactions.c.id))).scalar_one())


def _insert_all(conn: Connection, rows: dict[Table, list[dict[str, Any]]]) -> None:
    for table, of_table in rows.items():
        _insert_many(conn, table, of_table)


def _insert_many(conn: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """As the driver does it fastest; all rows have the same columns."""
    names = ", ".join(f'"{name}"' for name in rows[0])
    raw: Any = conn.connection.driver_connection
    if conn.dialect.name == "sqlite":
        marks = ", ".join("?" * len(rows[0]))
        into = f"INSERT INTO {table.name} ({names}) VALUES ({marks})"
        raw.executemany(into, [tuple(row.values()) for row in rows])
        return
    with raw.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(tuple(row.values()))


def _moves(entry: int, source: int, target: int, amount: int) -> list[dict[str, int]]:
    return [
        {"entry": entry, "account": source, "amount": -amount},
        {"entry": entry, "account": target, "amount": amount},
    ]


def with_old_books(home: Path, count: int) -> BrokerHome:
    """A new home, filled; the caller closes it."""
    opened = initialise(home, os.urandom)
    renew_descriptor(opened, unix_now(), os.urandom)
    OldBooks(opened, unix_now()).fill(count)
    return opened


if __name__ == "__main__":
    with with_old_books(Path(sys.argv[1]), int(sys.argv[2])):
        pass
