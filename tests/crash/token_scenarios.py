"""Scenarios of tokens: withdrawn, spent without an account, given back, put back on the balance.

Whatever was cut off, nothing of value is lost or made: the customer's balance, the tokens that can
still be spent, and what was bought are together what was paid in.
"""

import asyncio
import os
from pathlib import Path

from tests.crash.market import CREDIT, PRICES, SMALL, Market
from tests.crash.scenarios import Cancellation, killed_at, sync, until_done
from veilmart.customer.wallet.tokens import UNSPENT, known_keys, tokens_of
from veilmart.customer.wallet.wallet import open_wallet
from veilmart.protocol.accounting import format_amount
from veilmart.terminal.clock import unix_now

PRICE = PRICES[SMALL]
COUNT = 2
Subject = tuple[str, list[int]]
"""The customer, and exit codes of the command."""


async def with_words(market: Market) -> str:
    """A customer with money whose wallet has words."""
    name = await market.customer()
    words = ("wallet", "create", "--no-passphrase")
    assert await market.customer_runs(name, *words) == 0, market.programs.said("customer")
    return name


async def withdraw(market: Market, name: str) -> int:
    price = format_amount(PRICE, 2)
    return await market.customer_runs(name, "tokens", "withdraw", price, "--count", str(COUNT))


async def with_tokens(market: Market) -> str:
    name = await with_words(market)
    await until_done(lambda: withdraw(market, name), market, "customer")
    return name


async def buy_anonymously(market: Market, name: str) -> int:
    home, out = str(market.folder / name), str(market.out(name))
    words = ("customer", "buy", SMALL, "--anonymous", "--now", "--yes", "--again")
    return await market.programs.run("customer", *words, "--home", home, "--out", out)


def unspent(market: Market, name: str) -> int:
    """Value of the tokens that the wallet can still spend, minor units."""
    wallet = open_wallet(market.folder / name, unix_now, os.urandom)
    try:
        broker = market.opened.fingerprint
        keys = wallet.database.run_now(known_keys, broker)
        tokens = wallet.database.run_now(tokens_of, broker, UNSPENT)
        return sum(keys[token.key].listed.price for token in tokens)
    finally:
        wallet.close()


async def check_value(market: Market, name: str) -> None:
    """Nothing is lost and nothing is made; every file that was paid for is there."""
    orders = market.orders(name)
    states = [order.state for order in orders]
    assert set(states) <= {"done", "refunded", "abandoned"}, states
    kept = await market.balance(name) + unspent(market, name)
    assert kept == CREDIT - PRICE * states.count("done"), f"{kept} kept; {states}"
    files = list(market.out(name).iterdir()) if market.out(name).exists() else []
    wanted = [Path(str(order.file_path)) for order in orders if order.state == "done"]
    assert sorted(files) == sorted(wanted)


class TokenWithdrawal:
    """Withdrawn again: what was asked for before comes first, and is debited once."""

    async def prepare(self, market: Market) -> Subject:
        return await with_words(market), []

    async def act(self, market: Market, subject: Subject) -> None:
        name, codes = subject
        codes.append(await withdraw(market, name))

    async def finish(self, market: Market, subject: Subject) -> None:
        name, codes = subject
        if codes[-1]:
            await until_done(lambda: withdraw(market, name), market, "customer")

    async def check(self, market: Market, subject: Subject) -> None:
        await check_value(market, subject[0])
        assert unspent(market, subject[0]) in (COUNT * PRICE, 2 * COUNT * PRICE)


class TokenPurchase:
    """Bought without an account; `sync` finishes it, or it is bought with another token."""

    async def prepare(self, market: Market) -> str:
        return await with_tokens(market)

    async def act(self, market: Market, name: str) -> None:
        await buy_anonymously(market, name)

    async def finish(self, market: Market, name: str) -> None:
        await sync(market, name)
        if not any(order.state == "done" for order in market.orders(name)):
            await until_done(lambda: buy_anonymously(market, name), market, "customer")

    async def check(self, market: Market, name: str) -> None:
        await check_value(market, name)
        assert [order.state for order in market.orders(name)].count("done") == 1
        assert await market.balance(name) == CREDIT - COUNT * PRICE


class TokenRefund(Cancellation):
    """A HELD order is given up; a token comes back for the token."""

    async def prepare(self, market: Market) -> str:
        name = await with_tokens(market)
        await killed_at(market, "/>Release/unsent", buy_anonymously(market, name))
        return name

    async def finish(self, market: Market, name: str) -> None:
        await super().finish(market, name)
        await sync(market, name)

    async def check(self, market: Market, name: str) -> None:
        assert [order.state for order in market.orders(name)] == ["refunded"]
        assert unspent(market, name) == COUNT * PRICE
        await check_value(market, name)


class TokenDeposit:
    """Put back on the balance; put back again until none is left."""

    async def prepare(self, market: Market) -> str:
        return await with_tokens(market)

    async def act(self, market: Market, name: str) -> None:
        await self._deposit(market, name)

    async def _deposit(self, market: Market, name: str) -> int:
        return await market.customer_runs(name, "tokens", "deposit")

    async def finish(self, market: Market, name: str) -> None:
        for _ in range(12):
            if await market.balance(name) == CREDIT and not unspent(market, name):
                return
            await self._deposit(market, name)
            await asyncio.sleep(0.2)

    async def check(self, market: Market, name: str) -> None:
        await check_value(market, name)
        assert await market.balance(name) == CREDIT


TOKEN_SCENARIOS = {
    "token withdrawal": TokenWithdrawal(),
    "token purchase": TokenPurchase(),
    "token refund": TokenRefund(),
    "token deposit": TokenDeposit(),
}
