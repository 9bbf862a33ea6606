"""A merchant that sells through two brokers is paid out by each, and compares books with each."""

import os
from typing import Any

import pytest

from tests.support.scripted_merchant import NOW, FakeBroker
from veilmart.crypto import identity
from veilmart.crypto.identity import format_fingerprint
from veilmart.errors import BrokerUnreachable, NoSuchBroker
from veilmart.merchant.back_office import operator_requests, reconcile
from veilmart.merchant.back_office.operator_requests import ask_to_withdraw
from veilmart.merchant.back_office.statements import (
    FetchedStatement,
    KeptStatement,
    keep_statement,
)
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.publishing.brokers import (
    PinnedBroker,
    choose_broker,
    load_brokers,
    pin_broker,
)
from veilmart.protocol.signed_requests import WithdrawalRequest, read_request
from veilmart.protocol.statement import StatementTotals

SECOND_URL = "http://127.0.0.1:8001"


@pytest.fixture
def second(market: MerchantHome) -> FakeBroker:
    broker = FakeBroker(identity.generate_identity())
    market.database.run_now(pin_broker, SECOND_URL, broker.known)
    return broker


def test_which_broker_is_meant_has_to_be_said(
    market: MerchantHome, broker: FakeBroker, second: FakeBroker
) -> None:
    choose = market.database.run_now
    with pytest.raises(NoSuchBroker):
        choose(choose_broker, None)
    shown = format_fingerprint(second.known.fingerprint)
    for text in (SECOND_URL, shown, shown[:12]):
        assert choose(choose_broker, text).fingerprint == second.known.fingerprint
    for text in ("", "http://127.0.0.1:9", "zzzz"):
        with pytest.raises(NoSuchBroker):
            choose(choose_broker, text)
    assert choose(choose_broker, format_fingerprint(broker.known.fingerprint)).id == 1


async def test_each_is_asked_for_its_own_and_a_cut_to_one_leaves_the_other(
    market: MerchantHome,
    broker: FakeBroker,
    second: FakeBroker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[bytes, WithdrawalRequest]] = []
    away: set[bytes] = {broker.known.fingerprint}

    async def ask(to: PinnedBroker, request: Any, _now: int, _random: Any) -> None:
        asked.append((to.fingerprint, read_request(WithdrawalRequest, request.signed)))
        if to.fingerprint in away:
            raise BrokerUnreachable

    monkeypatch.setattr(operator_requests, "ask_operator", ask)
    first_url = market.database.run_now(choose_broker, format_fingerprint(broker.known.fingerprint))
    with pytest.raises(BrokerUnreachable):
        await ask_to_withdraw(market, 700, "", NOW, os.urandom, first_url.url)
    await ask_to_withdraw(market, 700, "", NOW, os.urandom, SECOND_URL)
    away.clear()
    await ask_to_withdraw(market, 700, "", NOW, os.urandom, first_url.url)
    names = [broker.known.fingerprint, second.known.fingerprint, broker.known.fingerprint]
    assert [to for to, _ in asked] == names == [paper.broker for _, paper in asked]
    ids = [paper.id for _, paper in asked]
    assert ids[0] == ids[2] != ids[1]


def test_a_statement_is_compared_with_the_one_before_of_the_same_broker(
    market: MerchantHome, second: FakeBroker
) -> None:
    run = market.database.run_now
    pinned = {broker.url: broker for broker in run(load_brokers)}
    one, two = pinned.values()
    totals = StatementTotals(**dict.fromkeys(StatementTotals.__struct_fields__, 0))

    def keep(broker: PinnedBroker, at: int) -> str:
        kept = KeptStatement(descriptor=broker.known.signed, requests=[], pages=[])
        return keep_statement(market, broker, FetchedStatement(at, [], totals, frozenset(), kept))

    names = {keep(one, NOW), keep(two, NOW), keep(two, NOW + 1)}
    assert len(names) == 3
    for broker, newest in ((one, NOW), (two, NOW + 1)):
        before = reconcile._newest_kept(market, broker)
        assert before is not None and before.name.startswith(f"statement-{newest}-")


def test_a_statement_of_the_same_second_replaces_none(
    market: MerchantHome, broker: FakeBroker
) -> None:
    (pinned,) = market.database.run_now(load_brokers)
    totals = StatementTotals(**dict.fromkeys(StatementTotals.__struct_fields__, 0))
    names = []
    for serial in range(12):
        kept = KeptStatement(descriptor=pinned.known.signed, requests=[bytes([serial])], pages=[])
        fetched = FetchedStatement(NOW, [], totals, frozenset(), kept)
        names.append(keep_statement(market, pinned, fetched))
    assert len(set(names)) == 12
    newest = reconcile._newest_kept(market, pinned)
    assert newest is not None and newest.name == names[-1]
