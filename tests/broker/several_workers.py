"""Four workers of one broker on PostgreSQL, one on SQLite."""

import os
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.broker_market import Market
from tests.support.scripted_broker import Clock, ScriptedMerchant
from veilmart.broker import merchants
from veilmart.broker.home import BrokerHome, open_home
from veilmart.broker.server.running import RunningBroker, shared_sessions
from veilmart.crypto import identity

WORKERS = 4


@pytest.fixture
async def workers(
    opened: BrokerHome, database_url: str | None, merchant_key: identity.IdentityKey
) -> AsyncIterator[list[Market]]:
    """Four on PostgreSQL, each with a pool and a memory of its own; one on SQLite."""
    merchant = ScriptedMerchant(merchant_key, opened.fingerprint)
    opened.database.run_now(merchants.admit, merchant.descriptor, "127.0.0.1:9")
    shared = database_url is not None
    with ExitStack() as stack:
        homes = [opened]
        if shared:
            shared_sessions(opened, os.urandom).make_table()
            path = opened.home.path
            homes += [stack.enter_context(open_home(path, database_url)) for _ in range(3)]
            assert len(homes) == WORKERS
        clock, made = Clock(), list[Market]()
        for home in homes:
            events: list[Any] = []
            broker = RunningBroker(home, clock, os.urandom, events.append, one_of_several=shared)
            broker.links.ask = merchant.ask  # type: ignore[assignment, method-assign]
            made.append(Market(home, broker, merchant, clock, events))
        yield made
        for market in made:
            await market.broker.aclose()
