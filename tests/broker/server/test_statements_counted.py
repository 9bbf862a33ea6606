"""How many statements the transactions of servers make for one purchase: none comes unseen."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection

from tests.support.buyers import buy, buyer
from tests.support.roles import WAIT_SECONDS, Roles, product_of
from tests.support.roles_fixtures import roles as roles, template as template
from veilmart.storage.database.sqlite_database import SqliteDatabase

Counted = list[tuple[str, int]]
"""(transaction, statements it made), as they were run."""

# The invoice is looked up and stored.
CHOICE = ("add_invoice", 2)
# Stored answer, invoice, balance; transaction, two postings, two balances; order key, invoice,
# answer.
PAYMENT = ("_pay", 11)
# Spent for this order, invoice, key, refund key, spent at all, outstanding; transaction, two
# postings, two balances; order key, invoice; token, its prefix.
TOKEN_KEY, TOKEN_PAYMENT = ("_key_of", 1), ("_spend", 15)
# Invoice, stored answer; invoice, answer.
RELEASE = ("_step", 4)
# The same; transaction, two postings, two balances; report's number, report.
ACKNOWLEDGEMENT = ("_step", 11)
# What is new, the merchant's account, its balance. Once for each purchase, or for several.
REPORTING = ("next_reports", 3)
AT_MERCHANT = [("store_order", 1), ("segment_asked", 2), ("apply_report", 4)]


@contextmanager
def counted(roles: Roles) -> Iterator[tuple[Counted, Counted]]:
    """Transactions of the broker and of the merchant, with their statements."""
    broker: Counted = []
    merchant: Counted = []
    honest = SqliteDatabase.run

    async def run(self: Any, transaction: Any, *args: Any, **more: Any) -> Any:
        if any(wallet.database is self for wallet in roles.wallets.values()):
            return await honest(self, transaction, *args, **more)
        notes = broker if self is roles.database else merchant

        def watched(connection: Connection) -> Any:
            raw: Any = connection.connection.driver_connection
            statements: list[str] = []
            raw.set_trace_callback(statements.append)
            try:
                return transaction(connection, *args, **more)
            finally:
                raw.set_trace_callback(None)
                notes.append((transaction.__name__, len(statements)))

        return await honest(self, watched)

    with patch.object(SqliteDatabase, "run", run):
        yield broker, merchant


async def settled(merchant: Counted) -> None:
    """Wait until the merchant has applied the report of the order's end."""
    ends = time.monotonic() + WAIT_SECONDS
    while AT_MERCHANT[-1] not in merchant:
        assert time.monotonic() < ends, merchant
        await asyncio.sleep(0.01)


def of_orders(transactions: Counted, expected: Counted) -> Counted:
    """Those with the names that are expected; duties run whenever they are due."""
    names = {name for name, _ in expected}
    return [one for one in transactions if one[0] in names]


async def test_an_account_purchase(roles: Roles, tmp_path: Path) -> None:
    shopper, _wallet = await buyer(roles, "counted", tokens=0)
    async with shopper:
        menu = await shopper.browse(roles.merchant_print)
        with counted(roles) as (broker, merchant):
            await shopper.buy(menu, product_of(menu, "june.txt"), tmp_path)
            await settled(merchant)
    expected = [CHOICE, PAYMENT, RELEASE, ACKNOWLEDGEMENT]
    assert of_orders(broker, expected) == expected
    assert {one for one in broker if one[0] == REPORTING[0]} == {REPORTING}
    assert of_orders(merchant, AT_MERCHANT)[:2] == AT_MERCHANT[:2]


async def test_an_anonymous_purchase(roles: Roles, tmp_path: Path) -> None:
    shopper, wallet = await buyer(roles, "unseen")
    await shopper.aclose()
    with counted(roles) as (broker, merchant):
        await buy(roles, wallet, tmp_path)
        await settled(merchant)
    expected = [CHOICE, TOKEN_KEY, TOKEN_PAYMENT, RELEASE, ACKNOWLEDGEMENT]
    assert of_orders(broker, expected) == expected
    assert of_orders(merchant, AT_MERCHANT)[:2] == AT_MERCHANT[:2]
