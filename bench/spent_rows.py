"""A broker's books with any number of tokens spent before, and further ones to spend.

`python -m bench.spent_rows HOME COUNT` fills the books of a stopped broker.
"""

import asyncio
import os
import random
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, select
from tests.support.broker_sessions import begun_session

from veilmart.broker.escrow.invoices import add_invoice
from veilmart.broker.home import BrokerHome, initialise, open_home, renew_descriptor
from veilmart.broker.keys import token_keys
from veilmart.broker.keys.token_keys import KeyRow
from veilmart.broker.ledger.booking import book, open_account
from veilmart.broker.merchants import ADMITTED
from veilmart.broker.schema import tables
from veilmart.broker.schema.token_tables import ORDER_KEYS, published, published_pages, spent_tokens
from veilmart.broker.server.dispatch import answer_request
from veilmart.broker.server.running import RunningBroker
from veilmart.crypto import signing
from veilmart.crypto.blind_issuer import blind_sign
from veilmart.limits import PREFIXES_PER_PAGE
from veilmart.protocol.accounting import AccountKind, transfer
from veilmart.protocol.offer import Invoice
from veilmart.protocol.order_key import operation_id, sign_action
from veilmart.protocol.published_prefixes import PREFIX_BYTES
from veilmart.protocol.token import blind_token, finish_token
from veilmart.protocol.token_messages import Spend
from veilmart.protocol.wallet_derivations import refund_secrets, token_secrets
from veilmart.terminal.clock import unix_now

SPENDERS = 16
_RECEIPT_BYTES = 330


def fill(opened: BrokerHome, count: int) -> None:
    """`count` tokens spent under the key that issues now for the lowest price, all published.

    Rows as long as real ones, with nothing behind them: solvency does not hold afterwards.
    """
    key = issuing_key(opened)
    source = random.Random(os.urandom(16))  # not secret, only fast
    for start in range(0, count, PREFIXES_PER_PAGE):
        size = min(PREFIXES_PER_PAGE, count - start)
        opened.database.run_now(_add_rows, key, source, size)
        opened.database.run_now(_add_pages, (key.number, ORDER_KEYS), source, size)


def _add_rows(conn: Connection, key: KeyRow, source: random.Random, size: int) -> None:
    rows = [
        {
            "key": key.number,
            "nonce": source.randbytes(32),
            "order": source.randbytes(32),
            "order_key": source.randbytes(32),
            "refund_key": key.number,
            "refund_blinded": source.randbytes(256),
            "body": source.randbytes(32),
            "answer": source.randbytes(_RECEIPT_BYTES),
        }
        for _ in range(size)
    ]
    conn.execute(insert(spent_tokens), rows)


def _add_pages(conn: Connection, lists: tuple[int, ...], source: random.Random, size: int) -> None:
    """A full page as one row, as the broker keeps it; what is left as rows of their own."""
    for number in lists:
        prefixes = [source.randbytes(PREFIX_BYTES) for _ in range(size)]
        if size < PREFIXES_PER_PAGE:
            rows = [{"list": number, "prefix": prefix} for prefix in prefixes]
            conn.execute(insert(published), rows)
            continue
        of_list = select(func.count()).where(published_pages.c.list == number)
        page = conn.execute(of_list).scalar_one()
        row = {"list": number, "page": page, "content": b"".join(sorted(prefixes))}
        conn.execute(insert(published_pages), row)


def issuing_key(opened: BrokerHome) -> KeyRow:
    now = unix_now()
    rows: list[KeyRow] = opened.database.run_now(token_keys.living)
    return next(row for row in rows if row.issues(now))


@dataclass
class Books:
    """A broker without a network."""

    opened: BrokerHome
    broker: RunningBroker
    merchant: bytes

    def prepare(self, count: int) -> Callable[[], Awaitable[None]]:
        """Invoices and tokens for `count` spends; the function spends them, sixteen at once."""
        key = issuing_key(self.opened)
        secret = self.opened.database.run_now(token_keys.load_keys).find(key.id)
        assert secret is not None
        seed, requests = os.urandom(32), []
        for number in range(count):
            secrets = token_secrets(seed, key.public, number)
            blinded = blind_token(key.public, secrets)
            (signature,) = blind_sign(secret.secret, (blinded,), os.urandom)
            token = finish_token(key.public, secrets, signature)
            requests.append(self._request(key, token))
        self.opened.database.run_now(_bill, [r for r, _ in requests], self.merchant, key)

        async def spend() -> None:
            waiting = [request for request, _ in requests]

            async def one_after_another() -> None:
                while waiting:
                    await self._ask(waiting.pop())

            await asyncio.gather(*(one_after_another() for _ in range(SPENDERS)))

        return spend

    def _request(self, key: KeyRow, token: bytes) -> tuple[Spend, bytes]:
        order, order_seed = os.urandom(32), os.urandom(32)
        public = signing.public_key(order_seed)
        request = Spend(
            operation=operation_id(order, "spend"),
            order=order,
            amount=key.price,
            token=token,
            refund_key=key.id,
            refund_blinded=blind_token(key.public, refund_secrets(order_seed, key.public, public)),
            order_key=public,
            signature=sign_action(order_seed, order, "spend"),
        )
        return request, order_seed

    async def _ask(self, request: Spend) -> None:
        session = begun_session(self.broker.state.own.newest.serial, unix_now())
        await self.broker.app.perform(answer_request(self.broker.state, session, request))

    def close(self) -> None:
        self.opened.close()


def open_books(home: Path, count: int) -> Books:
    """A fresh broker with `count` tokens spent before."""
    opened = initialise(home, os.urandom)
    renew_descriptor(opened, unix_now(), os.urandom)
    fill(opened, count)
    broker = RunningBroker(opened, unix_now, os.urandom, lambda _event: None)
    # Afterwards: the running broker would look for this merchant's descriptors.
    return Books(opened, broker, opened.database.run_now(_add_merchant))


def _add_merchant(conn: Connection) -> bytes:
    row: dict[str, Any] = {
        "fingerprint": os.urandom(32),
        "name": "stall",
        "address": "127.0.0.1:9",
        "state": ADMITTED,
        "account": open_account(conn, AccountKind.MERCHANT),
    }
    conn.execute(insert(tables.merchants), row)
    return bytes(row["fingerprint"])


def _bill(conn: Connection, requests: list[Spend], merchant: bytes, key: KeyRow) -> None:
    """An invoice for each, and the tokens outstanding that will pay for them."""
    paid = transfer(tables.CASH, key.account, key.price * len(requests))
    book(conn, "credit", b"", unix_now(), paid, frozenset({key.account}))
    for request in requests:
        invoice = Invoice(
            merchant=merchant,
            broker=bytes(32),
            order=request.order,
            suite=1,
            amount=key.price,
            order_key=request.order_key,
            sealed_key=bytes(64),
            pay_by=unix_now() + 900,
            deliver_within=3600,
            settle_within=7200,
        )
        add_invoice(conn, invoice, os.urandom(500))


def main() -> None:
    home, count = sys.argv[1:]
    with open_home(Path(home)) as opened:
        renew_descriptor(opened, unix_now(), os.urandom)
        fill(opened, int(count))


if __name__ == "__main__":
    main()
