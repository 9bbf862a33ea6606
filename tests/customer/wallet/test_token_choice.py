"""Which token pays: rested ones first, then those that end first, then the oldest."""

import random
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from tests.support.scripted_customer import NOW
from tests.support.statements import recorded, scans
from veilmart.customer.purchase.payment_rules import is_fresh, spendable_keys, token_for
from veilmart.customer.schema.token_tables import tokens
from veilmart.customer.wallet.tokens import (
    SHOWN,
    UNSPENT,
    KnownKey,
    StoredToken,
    known_keys,
    save_keys,
    tokens_of,
)
from veilmart.customer.wallet.wallet import Wallet
from veilmart.limits import EPOCH_SECONDS
from veilmart.protocol.encoding import le64
from veilmart.protocol.token_list import ListedKey

BROKER = b"b" * 32
DAY = 24 * 3600
THIS = NOW // EPOCH_SECONDS
LISTED = [
    ListedKey(epoch, price, bytes([epoch - THIS + 8, price]) * 16)
    for epoch in range(THIS - 5, THIS + 1)
    for price in (5, 7)
]


def descriptor(listed: list[ListedKey]) -> Any:
    entries = b"".join(one.key + le64(one.price) + le64(one.epoch) for one in listed)
    body = SimpleNamespace(extensions={"tokens": entries}, decimals=0)
    return SimpleNamespace(descriptor=body, fingerprint=BROKER)


def fill(connection: Connection, drawn: random.Random, count: int) -> None:
    rows = []
    for number in range(count):
        key = drawn.choice(LISTED)
        rows.append(
            {
                "broker": BROKER,
                "key": key.key,
                "account": "mia",
                "counter": number,
                "signature": bytes(256),
                "state": drawn.choice([UNSPENT, UNSPENT, SHOWN]),
                "got_at": NOW - drawn.choice([0, 1, DAY - 1, DAY, DAY + 1, 3 * DAY]),
            }
        )
    if rows:
        connection.execute(insert(tokens), rows)


def looked_through(connection: Connection, broker: Any, price: int) -> StoredToken | None:
    """The same choice, made by looking at every token."""
    usable = spendable_keys(broker.descriptor, known_keys(connection, BROKER), price, NOW)
    fitting = [one for one in tokens_of(connection, BROKER, UNSPENT) if one.key in usable]
    return min(fitting, key=lambda one: is_fresh(one, NOW), default=None)


@pytest.mark.parametrize("seed", range(40))
def test_the_choice_is_that_of_looking_at_every_token(wallet: Wallet, seed: int) -> None:
    drawn = random.Random(seed)
    known = drawn.sample(LISTED, drawn.randint(0, len(LISTED)))
    run = wallet.database.run_now
    run(save_keys, [KnownKey(BROKER, one, bytes(342)) for one in known])
    run(fill, drawn, drawn.choice([0, 3, 40]))
    broker = descriptor(sorted(drawn.sample(LISTED, drawn.randint(0, len(LISTED)))))
    for price in (5, 7, 9):
        chosen = run(token_for, broker, price, NOW)
        wanted = run(looked_through, broker, price)
        assert (None if chosen is None else chosen.token) == wanted
        if chosen is not None:
            assert chosen.key.listed.key == chosen.token.key


def test_a_key_that_is_known_otherwise_than_listed_pays_nothing(wallet: Wallet) -> None:
    run, one = wallet.database.run_now, LISTED[-1]
    run(save_keys, [KnownKey(BROKER, ListedKey(one.epoch - 1, one.price, one.key), bytes(342))])
    run(save_keys, [KnownKey(BROKER, one, bytes(342))])  # what is known does not change
    run(fill, random.Random(1), 40)
    assert run(token_for, descriptor([one]), one.price, NOW) is None


def test_no_choice_reads_the_tokens_from_end_to_end(wallet: Wallet) -> None:
    run = wallet.database.run_now
    run(save_keys, [KnownKey(BROKER, one, bytes(342)) for one in LISTED])
    run(fill, random.Random(2), 300)
    with recorded() as statements:
        assert run(token_for, descriptor(LISTED), 5, NOW) is not None
    assert statements
    for statement in statements.values():
        assert "tokens" not in run(scans, statement)
