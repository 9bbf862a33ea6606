"""What time and reports do to orders, and the bounds of what is kept in memory."""

import os
from dataclasses import replace

import msgspec
import pytest

from tests.support.scripted_merchant import Stall
from tests.support.selling_codes import ordered, report
from veilmart.crypto.suite import all_suites
from veilmart.errors import (
    NotYourBroker,
    OrderUnknown,
    ServerFault,
    SessionUnknown,
    SignatureInvalid,
    StoreDamaged,
    UnknownRequestNumber,
    WrongOrderState,
)
from veilmart.limits import (
    CLOCK_SKEW_SECONDS,
    DELIVER_WITHIN_SECONDS,
    PAY_WITHIN_SECONDS,
    SEGMENTS_AFTER_SECONDS,
    SESSION_SECONDS,
)
from veilmart.merchant.events import Faulted, FundsReported, OrderEnded, PaymentStatus
from veilmart.merchant.publishing.brokers import load_brokers
from veilmart.merchant.sales.orders import (
    FORGET_UNPAID_SECONDS,
    expire_unpaid,
    find_order,
    forget_expired,
    load_sales,
)
from veilmart.merchant.server.running import sweep_for_all
from veilmart.merchant.server.tunnels import LINKS_UNPROVED_MAX, Links, Tunnels
from veilmart.merchant.server.wire_errors import wire_error
from veilmart.protocol.handshake import SessionKeys
from veilmart.protocol.link_messages import FetchSegment
from veilmart.protocol.merchant_messages import Offered
from veilmart.protocol.order_states import OrderState


def state_of(stall: Stall, order: bytes) -> OrderState:
    return stall.market.database.run_now(find_order, order, 1).state


def test_segments_end_a_day_after_the_settlement(stall: Stall) -> None:
    """Fetched at will, a segment of an old order tells by our caches which product that was."""
    order = ordered(stall)
    asking = FetchSegment(order=order, index=0, held_at=stall.now)
    stall.ask(stall.link(), asking)
    report(stall, 500, (1, order, "settled"))
    stall.now += SEGMENTS_AFTER_SECONDS - 1
    stall.ask(stall.link(), asking)
    stall.now += 1
    with pytest.raises(WrongOrderState):
        stall.ask(stall.link(), asking)


def test_a_broker_that_never_reports_gets_no_segments_for_ever(stall: Stall) -> None:
    order = ordered(stall)
    asking = FetchSegment(order=order, index=0, held_at=stall.now)
    stall.ask(stall.link(), asking)
    shelf = next(iter(stall.state.shop.shelves.values()))
    stall.now += shelf.pay_within + shelf.deliver_within + shelf.settle_within
    stall.ask(stall.link(), asking)
    stall.now += CLOCK_SKEW_SECONDS + SEGMENTS_AFTER_SECONDS
    with pytest.raises(WrongOrderState):
        stall.ask(stall.link(), asking)


async def test_an_unpaid_offer_expires_and_says_so(stall: Stall) -> None:
    order = ordered(stall)
    stall.now += PAY_WITHIN_SECONDS - 1
    await sweep_for_all(stall.market, stall.state)
    assert state_of(stall, order) is OrderState.OFFERED
    stall.now += 1
    await sweep_for_all(stall.market, stall.state)
    assert state_of(stall, order) is OrderState.EXPIRED
    assert stall.events[-1] == PaymentStatus(1, False)


def test_the_brokers_clock_decides_about_an_expired_offer(stall: Stall) -> None:
    run = stall.market.database.run_now
    order = ordered(stall)
    stall.now += PAY_WITHIN_SECONDS
    assert run(expire_unpaid, stall.now) == (order,)
    assert run(expire_unpaid, stall.now) == ()
    reply = stall.ask(stall.link(), FetchSegment(order=order, index=0, held_at=stall.now - 1))
    assert reply.attachment
    assert state_of(stall, order) is OrderState.PAID


def test_expired_offers_are_forgotten_after_a_month(stall: Stall) -> None:
    run = stall.market.database.run_now
    order, paid = ordered(stall), ordered(stall, "beta.txt")
    stall.ask(stall.link(), FetchSegment(order=paid, index=0, held_at=stall.now))
    stall.now += PAY_WITHIN_SECONDS
    run(expire_unpaid, stall.now)
    # Until then the broker may hold the money without our having heard of it.
    kept = DELIVER_WITHIN_SECONDS + FORGET_UNPAID_SECONDS
    assert run(forget_expired, stall.now + kept - 1) == 0
    assert run(forget_expired, stall.now + kept) == 1
    with pytest.raises(OrderUnknown):
        run(find_order, order, 1)
    assert state_of(stall, paid) is OrderState.PAID


def test_another_brokers_order_is_unknown(stall: Stall) -> None:
    with pytest.raises(OrderUnknown):
        stall.market.database.run_now(find_order, ordered(stall), 2)


def test_a_report_of_many_orders_is_one_commit_and_adds_up(stall: Stall) -> None:
    orders = [ordered(stall) for _ in range(3)]
    commits = stall.market.database.commits
    entries = [(1, orders[0], "settled"), (2, orders[1], "refunded"), (3, orders[2], "settled")]
    report(stall, 11_000, *entries)
    assert stall.market.database.commits == commits + 1
    ended = [event for event in stall.events if isinstance(event, OrderEnded)]
    assert ended == [
        OrderEnded(1, True, 10_500),
        OrderEnded(2, False, 10_500),
        OrderEnded(3, True, 11_000),
    ]
    states = [state_of(stall, order) for order in orders]
    assert states == [OrderState.SETTLED, OrderState.REFUNDED, OrderState.SETTLED]
    lines = {
        line.state: (line.count, line.amount) for line in stall.market.database.run_now(load_sales)
    }
    assert lines == {"settled": (2, 1000), "refunded": (1, 500)}


def test_funds_between_two_reports_are_without_the_brokers_fee(stall: Stall) -> None:
    orders = [ordered(stall) for _ in range(4)]
    entries = [(number, order, "settled") for number, order in enumerate(orders[:3], 1)]
    report(stall, 3 * 488, *entries, fee=12)
    report(stall, 3 * 488, (4, orders[3], "settled"), (5, orders[0], "returned"), fee=0)
    ended = [event for event in stall.events if isinstance(event, OrderEnded)]
    assert [event.total for event in ended] == [488, 976, 1464, 1964, 1464]


def test_an_order_returned_after_settlement_lowers_the_funds(stall: Stall) -> None:
    orders = [ordered(stall) for _ in range(3)]
    report(stall, 1000, (1, orders[0], "settled"), (2, orders[1], "settled"))
    report(
        stall,
        1000,
        (3, orders[0], "returned"),
        (4, orders[2], "settled"),
        (5, orders[1], "returned"),
        (6, orders[2], "returned"),
        (7, ordered(stall), "settled"),
        (8, ordered(stall), "settled"),
    )
    ended = [event for event in stall.events if isinstance(event, OrderEnded)]
    assert ended[2:6] == [
        OrderEnded(None, False, 500, returned=True),
        OrderEnded(3, True, 1000),
        OrderEnded(None, False, 500, returned=True),
        OrderEnded(None, False, 0, returned=True),
    ]
    assert [event.total for event in ended[6:]] == [500, 1000]
    assert {state_of(stall, order) for order in orders} == {OrderState.REFUNDED}
    assert not any(isinstance(event, Faulted) for event in stall.events)


def test_late_reports_of_a_returned_order_are_no_contradiction(stall: Stall) -> None:
    order = ordered(stall)
    report(stall, 500, (1, order, "settled"))
    report(stall, 0, (2, order, "returned"))
    report(stall, 500, (1, order, "settled"))
    assert state_of(stall, order) is OrderState.REFUNDED
    assert not any(isinstance(event, Faulted) for event in stall.events)
    report(stall, 500, (3, order, "settled"))
    assert any(isinstance(event, Faulted) for event in stall.events)


def test_reports_again_and_late_change_nothing(stall: Stall) -> None:
    first, second = ordered(stall), ordered(stall)
    report(stall, 500, (1, first, "settled"))
    report(stall, 1000, (2, second, "settled"))
    commits = stall.market.database.commits
    report(stall, 500, (1, first, "settled"))
    report(stall, 1000, (2, second, "settled"))
    assert stall.market.database.commits == commits
    assert stall.market.database.run_now(load_brokers)[0].balance == 1000


def test_a_report_without_entries_is_a_new_balance(stall: Stall) -> None:
    report(stall, 4200)
    assert stall.events[-1] == FundsReported(4200)
    assert stall.market.database.run_now(load_brokers)[0].balance == 4200


def test_reports_about_unknown_orders_and_contradictions(stall: Stall) -> None:
    order = ordered(stall)
    report(stall, 500, (1, order, "settled"))
    report(stall, 500, (2, bytes(32), "settled"), (3, order, "refunded"))
    assert state_of(stall, order) is OrderState.SETTLED
    assert isinstance(stall.events[-1], Faulted)


def test_a_refunded_order_gets_no_more_segments(stall: Stall) -> None:
    order = ordered(stall)
    report(stall, 0, (1, order, "refunded"))
    with pytest.raises(WrongOrderState):
        stall.ask(stall.link(), FetchSegment(order=order, index=0, held_at=stall.now))


def test_a_damaged_store_is_a_fault_and_no_secret(stall: Stall) -> None:
    order = ordered(stall)
    root = stall.market.database.run_now(find_order, order, 1).root.hex()
    (stall.market.home.file("products") / root[:2] / root / "data").write_bytes(b"short")
    with pytest.raises(StoreDamaged) as caught:
        stall.ask(stall.link(), FetchSegment(order=order, index=0, held_at=stall.now))
    heard = wire_error(caught.value)
    assert isinstance(heard, ServerFault) and heard.detail == ""


def test_a_broker_that_was_unpinned_is_refused(stall: Stall) -> None:
    link = stall.link()
    stall.state.shop = replace(stall.state.shop, brokers={})
    with pytest.raises(NotYourBroker):
        stall.ask(link, FetchSegment(order=bytes(32), index=0, held_at=stall.now))


def test_a_wrong_signature_drops_the_link(stall: Stall) -> None:
    link, initiator, keys = stall.unproved()
    proof = stall.proof(initiator, keys)
    changed = msgspec.structs.replace(proof, signature=bytes(384))
    with pytest.raises(SignatureInvalid):
        stall.ask(link, changed)
    with pytest.raises(SessionUnknown):
        stall.state.links.find(keys.session_id, stall.now)


def test_a_link_lives_an_hour(stall: Stall) -> None:
    link = stall.link()
    session_id = link.keys.session_id
    assert stall.state.links.find(session_id, stall.now + SESSION_SECONDS - 1) is link
    with pytest.raises(SessionUnknown):
        stall.state.links.find(session_id, stall.now + SESSION_SECONDS)
    stall.state.links.drop_expired(stall.now + SESSION_SECONDS)
    assert len(stall.state.links) == 0


def some_keys() -> SessionKeys:
    return SessionKeys(os.urandom(16), all_suites()[0], *(os.urandom(32) for _ in range(4)))


def test_strangers_cannot_push_out_a_proved_link(stall: Stall) -> None:
    links = Links()
    mine = some_keys()
    links.open(mine, bytes(32), stall.now)
    proved = links.find(mine.session_id, stall.now)
    links.prove(proved, stall.now)
    first = some_keys()
    links.open(first, bytes(32), stall.now)
    for _ in range(LINKS_UNPROVED_MAX):
        links.open(some_keys(), bytes(32), stall.now)
    assert len(links) == LINKS_UNPROVED_MAX + 1
    assert links.find(mine.session_id, stall.now) is proved
    with pytest.raises(SessionUnknown):
        links.find(first.session_id, stall.now)


def test_the_oldest_tunnel_makes_room(stall: Stall) -> None:
    tunnels = Tunnels(maximum=3)
    published = stall.state.shop.newest
    numbers = []
    for _ in range(4):
        keys = some_keys()
        numbers.append(keys.session_id)
        tunnels.open(keys, bytes(32), published, stall.now)
    assert len(tunnels) == 3
    with pytest.raises(UnknownRequestNumber):
        tunnels.find(numbers[0], bytes(32), stall.now)
    assert tunnels.find(numbers[3], bytes(32), stall.now).label == 4
    with pytest.raises(UnknownRequestNumber):
        tunnels.find(numbers[3], bytes([1]) * 32, stall.now)


def test_nothing_about_a_customer_is_stored_but_its_order_key(stall: Stall) -> None:
    """The order key, one for each order, is in the offer, which a restored wallet recalls."""
    link = stall.link()
    customer = stall.customer(link)
    asked = stall.selection(customer)
    answer, _, _ = stall.tell(link, customer, asked, Offered)
    home = stall.market.home.path
    stored = b"".join(path.read_bytes() for path in home.iterdir() if path.is_file())
    assert asked.product in stored
    assert asked.order_key not in stored.replace(answer.offer, b"")
    for trace in (customer.number, customer.keys.exporter):
        assert trace not in stored
