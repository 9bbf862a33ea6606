"""One token at four workers of one PostgreSQL database, and at one worker on SQLite: one winner.

Anyone who is late is told so by the database, not by a worker's memory.
"""

import asyncio
import os

import pytest

from tests.broker.tokens.checking import check
from tests.support.broker_market import Market
from tests.support.engines import both_engines
from tests.support.scripted_broker import PRICE
from tests.support.token_wallet import TokenWallet
from veilmart.broker.operator import bookkeeping
from veilmart.errors import TokenSpent

CLIENTS = 64
PACK = 20  # tokens withdrawn before their rounds
INVOICES = 2  # so many of the clients have an order that could be paid


async def one_winner(workers: list[Market], wallet: TokenWallet, token: bytes) -> None:
    """Everybody asks at once, with an order of their own."""
    first = workers[0]
    orders = [await first.offered(first.session()) for _ in range(INVOICES)]
    orders += [os.urandom(32) for _ in range(CLIENTS - INVOICES)]
    at = [workers[number % len(workers)] for number in range(CLIENTS)]
    found = await asyncio.gather(
        *(
            worker.ask(worker.session(), wallet.spending(order, token))
            for worker, order in zip(at, orders, strict=True)
        ),
        return_exceptions=True,
    )
    strange = [e for e in found if isinstance(e, BaseException) and not isinstance(e, TokenSpent)]
    assert strange == []
    assert sum(not isinstance(each, BaseException) for each in found) == 1


async def rounds(workers: list[Market], count: int) -> None:
    first = workers[0]
    session, wallet = await first.customer("anna"), TokenWallet(first)
    for begun in range(0, count, PACK):
        first.run(bookkeeping.credit, "anna", PRICE * PACK, False, first.clock())
        for token in (await wallet.withdraw(session, PACK))[: count - begun]:
            await one_winner(workers, wallet, token)
        # What is never paid must not fill the session's and the broker's room.
        first.clock.now += 10
        for worker in workers:
            worker.broker.state.unpaid.clear()
            await worker.broker.sweep()
    check(first)


@both_engines
async def test_64_clients_with_one_token(workers: list[Market]) -> None:
    await rounds(workers, 3)


@pytest.mark.long
@both_engines
async def test_64_clients_with_one_token_a_thousand_times(workers: list[Market]) -> None:
    await rounds(workers, 1000)
