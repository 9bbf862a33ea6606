"""Usernames that differ in case or in a look-alike letter are one name; so is one for guessing."""

import pytest
import sqlalchemy as sa

from tests.support.broker_market import PASSWORD, Market
from veilmart.broker.schema import tables
from veilmart.errors import AuthenticationFailed, NameTaken, TooManyAttempts
from veilmart.limits import GUESSES_FREE
from veilmart.protocol.customer_messages import Login, Register

LOOKALIKES = ["ANNA", "Anna", "\u0430nna", "ann\u0391", "\uff41nna"]


async def test_no_second_account_looks_like_the_first(market: Market) -> None:
    await market.customer("anna")
    for name in LOOKALIKES:
        with pytest.raises(NameTaken):
            await market.ask(market.session(), Register(username=name, password=PASSWORD))
    await market.ask(market.session(), Register(username="anni", password=PASSWORD))
    assert market.run(lambda conn: len(conn.execute(tables.name_keys.select()).all())) == 2


async def test_a_login_finds_the_account_however_its_name_is_written(market: Market) -> None:
    first = await market.ask(market.session(), Register(username="Änne", password="pässwört"))
    for name in ("änne", "ÄNNE", "Änne", "A\u0308nne"):
        request = Login(username=name, password="pa\u0308sswo\u0308rt", device=b"")
        assert (await market.ask(market.session(), request)).username == first.username


async def test_spellings_of_a_name_share_one_count_of_guesses(market: Market) -> None:
    await market.customer("anna")
    for name in LOOKALIKES[:GUESSES_FREE]:
        with pytest.raises(AuthenticationFailed):
            await market.ask(
                market.session(), Login(username=name, password="wrong horse", device=b"")
            )
    with pytest.raises(TooManyAttempts):
        await market.ask(market.session(), Login(username="anna", password=PASSWORD, device=b""))


async def test_accounts_from_before_are_found_and_the_older_has_the_name(market: Market) -> None:
    from veilmart.broker.accounts.customers import add_customer, find_customer

    one = market.run(add_customer, "Bob", "hash", bytes(32), 1)

    def second(conn: sa.Connection) -> None:  # as the books had it before the keys
        conn.execute(sa.insert(tables.accounts), {"kind": "customer", "balance": 0})
        number = conn.execute(sa.select(sa.func.max(tables.accounts.c.id))).scalar_one()
        row = {"account": number, "username": "bob", "password_hash": "hash"}
        conn.execute(sa.insert(tables.customers), row)

    market.run(second)
    found = [market.run(find_customer, name) for name in ("Bob", "bob", "BOB")]
    assert [customer.account == one for customer in found if customer] == [True, False, True]
