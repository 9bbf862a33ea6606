"""Unpaid orders of strangers close the broker to nobody: a crowd loses its own (ADR 13)."""

import os
from typing import Any

import pytest

from tests.broker.operator.bought import bought
from tests.support.broker_market import Market
from tests.support.engines import both_engines
from veilmart.broker.escrow import invoices
from veilmart.broker.sessions.session import Session
from veilmart.broker.sessions.unpaid_room import Crowd, UnpaidRoom
from veilmart.errors import OrderUnknown, TooManyOpen
from veilmart.limits import UNPAID_PER_SESSION_MAX, UNPAID_REFUSED_MAX
from veilmart.protocol import customer_messages as messages
from veilmart.protocol.link_messages import TunnelRelay

ANNA, EXIT, HOME = (True, "7"), (False, "192.0.2.1"), (False, "192.0.2.2")


def room_of(**orders: int) -> UnpaidRoom:
    """A full room: names of owners → how many orders each has."""
    owners = {"anna": ANNA, "exit": EXIT, "home": HOME, "bert": (True, "8")}
    room = UnpaidRoom(sum(orders.values()))
    for name, count in orders.items():
        for number in range(count):
            room.add(f"{name} {number}".encode(), owners[name], 1000)
    return room


def test_there_is_room_until_it_is_full_and_again_when_time_has_passed() -> None:
    room = UnpaidRoom(1)
    assert room.crowd(ANNA, 0) is None
    room.add(b"one", EXIT, 1000)
    assert room.crowd(ANNA, 999) is not None
    assert room.crowd(ANNA, 1000) is None


def test_the_largest_anonymous_crowd_gives_way_to_an_account() -> None:
    room = room_of(bert=9, exit=3, home=1)
    assert room.crowd(ANNA, 0) == Crowd([b"exit 0", b"exit 1", b"exit 2"], own=False)


def test_the_largest_anonymous_crowd_gives_way_to_a_stranger_and_not_to_itself() -> None:
    room = room_of(exit=3, home=1)
    found = room.crowd(HOME, 0)
    assert found is not None and found.orders[0] == b"exit 0" and not found.own
    own = room.crowd(EXIT, 0)
    assert own is not None and own.own


def test_a_stranger_takes_nothing_from_accounts() -> None:
    found = room_of(anna=2, bert=2).crowd(HOME, 0)
    assert found == Crowd([], own=True)


def test_the_account_with_most_orders_gives_way_to_the_others() -> None:
    found = room_of(anna=1, bert=5).crowd(ANNA, 0)
    assert found is not None and found.orders[0] == b"bert 0" and not found.own
    own = room_of(anna=5, bert=1).crowd(ANNA, 0)
    assert own is not None and own.own


def stranger(market: Market, address: str) -> Session:
    session = market.session()
    session.asker = address
    return session


@both_engines
async def test_strangers_who_never_pay_do_not_close_the_broker_to_a_customer(
    market: Market,
) -> None:
    market.broker.state.unpaid = UnpaidRoom(6)
    crowd = [await market.offered(stranger(market, "192.0.2.1")) for _ in range(6)]
    with pytest.raises(TooManyOpen):
        await market.offered(stranger(market, "192.0.2.1"))
    await bought(market, await market.customer("anna", 5000))
    with pytest.raises(OrderUnknown):
        market.run(invoices.get_invoice, crowd[0])
    market.run(invoices.get_invoice, crowd[1])
    await market.offered(stranger(market, "192.0.2.2"))
    market.check_books()


async def test_the_catalogue_is_read_however_many_orders_are_open(market: Market) -> None:
    market.broker.state.unpaid = UnpaidRoom(1)
    session = await market.customer("anna", 5000)
    for _ in range(UNPAID_PER_SESSION_MAX):
        market.broker.state.unpaid.clear()
        await market.offered(session)
    number = session.numbers.hand_out(os.urandom)
    await market.ask(session, market.opening(number))
    relayed = await market.ask(session, messages.Relay(request_number=number, record=bytes(1100)))
    assert relayed.payable is None
    market.broker.state.unpaid.clear()
    with pytest.raises(TooManyOpen):
        await market.offered(session)


async def test_a_session_without_room_makes_the_merchant_write_four_more_offers_at_most(
    market: Market,
) -> None:
    asked: list[bytes] = []
    ask = market.broker.links.ask

    async def counting(merchant: bytes, message: Any, kind: Any) -> Any:
        if isinstance(message, TunnelRelay):
            asked.append(message.request_number)
        return await ask(merchant, message, kind)

    market.broker.links.ask = counting  # type: ignore[method-assign]
    session = await market.customer("anna", 5000)
    orders = [await market.offered(session) for _ in range(UNPAID_PER_SESSION_MAX)]
    for _ in range(3 * UNPAID_REFUSED_MAX):
        with pytest.raises(TooManyOpen):
            await market.offered(session)
    assert len(asked) == UNPAID_PER_SESSION_MAX + UNPAID_REFUSED_MAX
    await market.ask(session, market.pay(orders[0]))
    await market.offered(session)


@both_engines
async def test_what_was_paid_at_another_worker_does_not_count(market: Market) -> None:
    market.broker.state.unpaid = UnpaidRoom(2)
    anna = await market.customer("anna", 5000)
    orders = [await market.offered(anna) for _ in range(2)]
    room, market.broker.state.unpaid = market.broker.state.unpaid, UnpaidRoom()
    for order in orders:
        await market.ask(anna, market.pay(order))
    market.broker.state.unpaid = room
    assert len(room) == 2
    await market.offered(anna)
    assert len(room) == 1
