"""A broker whose exported tables have many rows. They are not books: they do not add up."""

from pathlib import Path

from sqlalchemy import Connection, func, insert, select

from tests.support.many_rows import multiply
from veilmart.broker.home import open_home
from veilmart.broker.schema import tables
from veilmart.broker.schema.operator_tables import withdrawals
from veilmart.broker.schema.voucher_tables import vouchers

GROWING = ("postings", "invoices", "accounts", "withdrawals", "vouchers")
"""Exports whose tables grow with use; the others have a row for each merchant, month or key."""
_MERCHANT = b"m" * 32


def fill(home: Path, rows: int) -> None:
    """About that many rows in each of the tables that exports read."""
    with open_home(home) as opened:
        opened.database.run_now(_fill, rows)


def _fill(conn: Connection, rows: int) -> None:
    shop = {"fingerprint": _MERCHANT, "name": "shop", "address": "", "state": "admitted"}
    conn.execute(insert(tables.merchants), {**shop, "account": 1})
    conn.execute(
        insert(tables.transactions), {"id": 1, "kind": "credit", "reference": bytes(32), "at": 1}
    )
    conn.execute(insert(tables.postings), {"id": 1, "entry": 1, "account": 1, "amount": 1})
    conn.execute(
        insert(tables.invoices),
        {
            "order": bytes(32),
            "merchant": _MERCHANT,
            "signed": bytes(400),
            "amount": 500,
            "order_key": bytes(32),
            "deliver_within": 1,
            "settle_within": 1,
            "state": "settled",
            "due": 0,
            "held_at": 1,
        },
    )
    asked = {"id": bytes(16), "merchant": _MERCHANT, "amount": 1, "note": "account 7"}
    conn.execute(insert(withdrawals), {**asked, "state": "asked", "at": 1})
    code = {"hash": bytes(32), "batch": 1, "value": 500, "state": "issued", "issued_at": 1}
    conn.execute(insert(vouchers), code)
    more(conn, rows)


def more(conn: Connection, rows: int) -> None:
    """Transaction: that many more rows in each table."""
    last = int(conn.execute(select(func.max(tables.transactions.c.id))).scalar_one())
    multiply(conn, tables.transactions, rows, id=f"n + {last}", reference="randomblob(32)", at="n")
    multiply(conn, tables.postings, rows, id=f"n + {last}", entry=f"n + {last}")
    multiply(conn, tables.accounts, rows, id="NULL", kind="'customer'", balance="0")
    multiply(conn, tables.invoices, rows, order="randomblob(32)", held_at="n")
    multiply(conn, withdrawals, rows, id="randomblob(16)", at="n")
    multiply(conn, vouchers, rows, hash="randomblob(32)")
