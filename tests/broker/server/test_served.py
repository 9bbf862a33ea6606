"""Over HTTP: sessions, junk, replays, links, reports."""

import os

import pytest

from tests.support.broker_market import PASSWORD, Served
from tests.support.broker_sessions import begun_session
from tests.support.scripted_broker import SEGMENT
from tests.support.waiting import until
from veilmart.broker import events
from veilmart.broker.operator import bookkeeping
from veilmart.broker.sessions.session import MemorySessions
from veilmart.errors import (
    AuthenticationFailed,
    DescriptorUnknown,
    HandshakeFailed,
    MalformedMessage,
    MerchantUnreachable,
    MessageTooLarge,
    OpenFailed,
    OrderUnknown,
    PeerFault,
    SessionUnknown,
    UnknownSuite,
    WrongOrderState,
)
from veilmart.limits import CELL_BYTES
from veilmart.protocol import customer_messages as messages
from veilmart.protocol.order_key import operation_id, sign_action
from veilmart.protocol.tunnel import RECORD_OVERHEAD_BYTES


@pytest.mark.parametrize("suite_index", [0, 1])
async def test_a_purchase_over_http(served: Served, suite_index: int) -> None:
    customer = await served.customer(suite_index)
    merchant = served.merchant
    welcome = await customer.ask(
        messages.Register(username="anna", password=PASSWORD), messages.Welcome
    )
    served.opened.database.run_now(bookkeeping.credit, "anna", 20_00, False, served.clock())
    opening = messages.Open(
        merchant=merchant.fingerprint,
        request_number=welcome.request_number,
        suite=1,
        descriptor=merchant.descriptor.hash,
        message=b"message 1",
    )
    assert (await customer.ask(opening, messages.Opened)).message == b"message 2"
    seed = os.urandom(32)
    order, merchant.invoice = merchant.make_invoice(seed)
    relayed = await customer.ask(
        messages.Relay(request_number=welcome.request_number, record=bytes(1100)), messages.Relayed
    )
    assert relayed.payable.order == order
    pay = messages.Pay(operation=operation_id(order, "pay"), order=order, amount=500)
    paid, first = await customer.ask_with_attachment(pay, messages.Paid)
    assert (paid.balance, first) == (15_00, SEGMENT)
    again, nothing = await customer.ask_with_attachment(pay, messages.Paid)
    assert (again, nothing) == (paid, b"")
    segment = messages.GetSegment(
        order=order, index=0, signature=sign_action(seed, order, "segment")
    )
    answer, attachment = await customer.ask_with_attachment(segment, messages.SegmentFollows)
    assert (answer.length, attachment) == (len(SEGMENT), SEGMENT)
    release = messages.Release(
        operation=operation_id(order, "release"),
        order=order,
        signature=sign_action(seed, order, "release"),
    )
    assert (await customer.ask(release, messages.Released)).invoice
    acknowledge = messages.Acknowledge(
        operation=operation_id(order, "acknowledge"),
        order=order,
        signature=sign_action(seed, order, "acknowledge"),
    )
    await customer.ask(acknowledge, messages.OrderStatus)
    await until(lambda: any(report.entries for report in merchant.reports))
    last = [report for report in merchant.reports if report.entries][-1]
    assert [(entry.sequence, entry.order, entry.event) for entry in last.entries] == [
        (1, order, "settled")
    ]
    assert last.balance == 500


async def test_junk_on_a_session_neither_closes_nor_advances_it(served: Served) -> None:
    customer = await served.customer()
    await customer.ask(messages.Start(), messages.Welcome)
    assert customer.keys is not None
    session_id = customer.keys.session_id
    record = customer.last_record
    changed = bytearray(record)
    changed[100] ^= 1
    for junk, error in (
        (session_id + os.urandom(24 + 32 + CELL_BYTES), OpenFailed),
        (bytes(changed), OpenFailed),
        (record[:-1], MalformedMessage),
        (session_id, MalformedMessage),
        (b"", MalformedMessage),
        (bytes(70_000), MessageTooLarge),
        (os.urandom(16) + record[16:], SessionUnknown),
    ):
        with pytest.raises(error):
            await customer.http.post("/v1/request", junk, max_bytes=10_000)
    assert (await customer.ask(messages.Start(), messages.Welcome)).request_number


async def test_a_replayed_request_is_answered_anew_under_a_fresh_nonce(served: Served) -> None:
    customer = await served.customer()
    await customer.ask(messages.Start(), messages.Welcome)
    record, first = customer.last_record, customer.last_answer
    second = await customer.http.post("/v1/request", record, max_bytes=10_000)
    assert len(first) == len(second) == RECORD_OVERHEAD_BYTES + CELL_BYTES
    assert first[:24] != second[:24]


async def test_refusals_are_as_long_as_answers(served: Served) -> None:
    customer = await served.customer()
    order = os.urandom(32)
    release = messages.Release(
        operation=operation_id(order, "release"), order=order, signature=bytes(64)
    )
    with pytest.raises(OrderUnknown):
        await customer.ask(release, messages.Released)
    assert len(customer.last_answer) == RECORD_OVERHEAD_BYTES + 2 * CELL_BYTES


async def test_a_failed_login_closes_the_session(served: Served) -> None:
    customer = await served.customer()
    lengths = set()
    for name in ("anna", "nobody"):
        login = messages.Login(username=name, password="wrong horse", device=b"")
        with pytest.raises(AuthenticationFailed):
            await customer.ask(login, messages.Welcome)
        lengths.add(len(customer.last_answer))
        with pytest.raises(SessionUnknown):
            await customer.ask(messages.Start(), messages.Welcome)
        await customer.connect()
    assert len(lengths) == 1
    assert events.CustomerRefused() in served.events


async def test_sessions_end_after_an_hour(served: Served) -> None:
    customer = await served.customer()
    served.clock.now += 3600
    with pytest.raises(SessionUnknown):
        await customer.ask(messages.Start(), messages.Welcome)


async def test_handshakes_that_do_not_fit_are_refused(served: Served) -> None:
    customer = await served.customer()
    newest = served.broker.state.own.newest.public.hash
    for body, error in (
        (b"", MalformedMessage),
        (bytes([9]) + newest + bytes(100), UnknownSuite),
        (bytes([1]) + bytes(32) + bytes(100), DescriptorUnknown),
        (bytes([1]) + newest + bytes(10), PeerFault),
        (bytes([1]) + newest + os.urandom(32 + 1184 + 64 + 32), PeerFault),
        (bytes(17_000), MessageTooLarge),
    ):
        with pytest.raises(error):
            await customer.http.post("/v1/session", body, max_bytes=10_000)
    served.clock.now += 7 * 24 * 3600
    with pytest.raises((DescriptorUnknown, HandshakeFailed)):
        await customer.connect()


async def test_a_link_is_made_again_once_the_merchant_forgot_it(served: Served) -> None:
    merchant = served.merchant
    await until(lambda: served.broker.links.linked(merchant.fingerprint))
    first = set(merchant.sessions)
    merchant.sessions.clear()
    customer = await served.customer()
    request = messages.GetMerchant(fingerprint=merchant.fingerprint, serial=0)
    answer = await customer.ask(request, messages.MerchantDescriptor)
    assert answer.signed == merchant.signed
    assert len(merchant.sessions) == 1
    assert not first & set(merchant.sessions)


async def test_a_merchant_cannot_speak_in_the_brokers_name(served: Served) -> None:
    customer = await served.customer()
    welcome = await customer.ask(messages.Start(), messages.Welcome)
    served.merchant.refuse = AuthenticationFailed()
    opening = messages.Open(
        merchant=served.merchant.fingerprint,
        request_number=welcome.request_number,
        suite=1,
        descriptor=bytes(32),
        message=b"message 1",
    )
    with pytest.raises(MerchantUnreachable):
        await customer.ask(opening, messages.Opened)
    served.merchant.refuse = None
    await customer.ask(messages.GetMerchants(after=b""), messages.Merchants)


async def test_descriptors_by_serial(served: Served) -> None:
    customer = await served.customer()
    newest = await customer.http.get("/v1/descriptor", max_bytes=20_000)
    assert await customer.http.get("/v1/descriptor/1", max_bytes=20_000) == newest
    for serial in ("2", "x", "9" * 30):
        with pytest.raises(DescriptorUnknown):
            await customer.http.get(f"/v1/descriptor/{serial}", max_bytes=20_000)
    assert await customer.http.get("/v1/healthz", max_bytes=10) == b""


async def test_reports_wait_for_a_merchant_that_is_away(served: Served) -> None:
    merchant = served.merchant
    await until(lambda: bool(merchant.reports))
    merchant.refuse = WrongOrderState()
    served.opened.database.run_now(bookkeeping.credit, "shop", 7_00, True, served.clock())
    await until(lambda: served.broker._revision > 1)
    merchant.refuse = None
    await until(lambda: merchant.reports[-1].balance == 7_00)
    assert merchant.reports[-1].entries == []


async def test_new_price_points_make_a_new_descriptor(served: Served) -> None:
    from veilmart.broker import settings

    served.opened.database.run_now(settings.set_price_points, (100, 300))
    await until(lambda: served.broker.state.own.newest.serial == 2)
    known = served.broker.state.own
    assert known.newest.public.descriptor.price_points == [100, 300]
    assert known.newest.public.descriptor.previous == known.by_serial(1).public.hash
    customer = await served.customer()
    await customer.ask(messages.Start(), messages.Welcome)


def test_anonymous_sessions_give_way_first() -> None:
    from veilmart.broker.sessions.session import Login

    store = MemorySessions(capacity=3)
    known, *anonymous = (begun_session(1, 0) for _ in range(4))
    store.add(known)
    store.log_in(known, Login(1, "anna", b""))
    for session in anonymous:
        store.add(session)
    assert len(store) == 3
    assert store.get(known.keys.session_id, 0) is known
    with pytest.raises(SessionUnknown):
        store.get(anonymous[0].keys.session_id, 0)
