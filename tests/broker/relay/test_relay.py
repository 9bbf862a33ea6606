"""Tunnels and invoices: what the broker carries, what it refuses to carry."""

import os
from typing import Any

import pytest

from tests.support.broker_market import Market
from tests.support.scripted_broker import START
from veilmart.broker import merchants
from veilmart.crypto import identity
from veilmart.errors import (
    BadPublicValue,
    ClocksDiffer,
    MalformedMessage,
    MerchantSuspended,
    MerchantUnknown,
    MerchantUnreachable,
    OfferMismatch,
    PriceGone,
    SignatureInvalid,
    TooManyOpen,
    UnknownRequestNumber,
    UnknownSuite,
    VeilmartError,
    WrongOrderState,
)
from veilmart.limits import UNPAID_PER_SESSION_MAX
from veilmart.protocol import link_messages as link
from veilmart.protocol.customer_messages import GetMerchant, GetMerchants, Payable, Relay, Start
from veilmart.protocol.encoding import decode
from veilmart.protocol.offer import SIGNATURE_BYTES, SIGNED_MAX_BYTES, Invoice


async def opened_tunnel(market: Market) -> tuple[Any, bytes]:
    session = market.session()
    number = (await market.ask(session, Start())).request_number
    await market.ask(session, market.opening(number))
    return session, number


async def test_a_relayed_record_costs_no_commit(market: Market) -> None:
    session, number = await opened_tunnel(market)
    before = market.opened.database.commits
    relayed = await market.ask(session, Relay(request_number=number, record=b"abc"))
    assert (relayed.record, relayed.payable) == (b"cba", None)
    assert market.opened.database.commits == before
    assert market.merchant.asked[-1] == link.TunnelRelay(request_number=number, record=b"abc")


async def test_numbers_are_for_one_session_and_one_tunnel(market: Market) -> None:
    session, number = await opened_tunnel(market)
    other = market.session()
    for request in (market.opening(number), Relay(request_number=number, record=b"x")):
        with pytest.raises(UnknownRequestNumber):
            await market.ask(other, request)
    again = await market.ask(session, market.opening(number))
    assert again == await market.ask(session, market.opening(number))
    assert sum(isinstance(asked, link.TunnelOpen) for asked in market.merchant.asked) == 1
    hijack = market.opening(number)
    hijack = type(hijack)(
        merchant=hijack.merchant,
        request_number=number,
        suite=1,
        descriptor=hijack.descriptor,
        message=b"another message 1",
    )
    with pytest.raises(UnknownRequestNumber):
        await market.ask(session, hijack)
    fresh = again.next_request_number
    with pytest.raises(UnknownRequestNumber):
        await market.ask(session, Relay(request_number=fresh, record=b"x"))
    await market.ask(session, market.opening(fresh))


async def test_a_tunnel_that_failed_may_be_opened_again(market: Market) -> None:
    session = market.session()
    number = (await market.ask(session, Start())).request_number
    market.merchant.refuse = MerchantUnreachable()
    with pytest.raises(MerchantUnreachable):
        await market.ask(session, market.opening(number))
    with pytest.raises(UnknownRequestNumber):
        await market.ask(session, Relay(request_number=number, record=b"x"))
    market.merchant.refuse = None
    await market.ask(session, market.opening(number))


async def test_unknown_and_suspended_merchants(market: Market) -> None:
    session, number = await opened_tunnel(market)
    welcome = await market.ask(session, Start())
    with pytest.raises(MerchantUnknown):
        await market.ask(session, market.opening(welcome.request_number, os.urandom(32)))
    order = await market.offered(await market.customer("anna", 10_00))
    market.run(merchants.suspend, market.run(merchants.find_merchant, "shop"))
    await market.broker.look()
    for request in (
        market.opening(welcome.request_number),
        Relay(request_number=number, record=b"x"),
        GetMerchant(fingerprint=market.merchant.fingerprint, serial=0),
    ):
        with pytest.raises(MerchantSuspended):
            await market.ask(session, request)
    assert (await market.ask(session, GetMerchants(after=b""))).entries == []
    # What was offered before may still be paid and delivered.
    payer = market.session()
    assert (await market.ask(payer, market.status(order))).state == "offered"


WRONG: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "another merchant": ({"merchant": bytes(32)}, OfferMismatch),
    "another broker": ({"broker": bytes(32)}, OfferMismatch),
    "no price point": ({"amount": 501}, PriceGone),
    "a price point of no shelf": ({"amount": 1000}, OfferMismatch),
    "another delivery deadline": ({"deliver_within": 3601}, OfferMismatch),
    "another settlement deadline": ({"settle_within": 1}, OfferMismatch),
    "expired already": ({"pay_by": START}, ClocksDiffer),
    "payable for too long": ({"pay_by": START + 900 + 301}, ClocksDiffer),
    "an unknown suite": ({"suite": 9}, UnknownSuite),
    "an order key that is the identity": (
        {"order_key": (1).to_bytes(32, "little")},
        BadPublicValue,
    ),
    "another key": ({"seed": bytes(32)}, SignatureInvalid),
}


@pytest.mark.parametrize("name", WRONG)
async def test_an_invoice_is_refused_with(market: Market, name: str) -> None:
    session, number = await opened_tunnel(market)
    fields, error = WRONG[name]
    _order, market.merchant.invoice = market.merchant.make_invoice(os.urandom(32), **fields)
    before = market.opened.database.commits
    with pytest.raises(error):
        await market.ask(session, Relay(request_number=number, record=b"x"))
    assert market.opened.database.commits == before
    assert session.unpaid == {}


@pytest.mark.parametrize("cut", [1, 64, 65, 200])
async def test_an_invoice_cut_short_is_refused(market: Market, cut: int) -> None:
    session, number = await opened_tunnel(market)
    _order, signed = market.merchant.make_invoice(os.urandom(32))
    market.merchant.invoice = signed[:cut]
    with pytest.raises((MalformedMessage, SignatureInvalid)):
        await market.ask(session, Relay(request_number=number, record=b"x"))


async def test_one_order_has_one_invoice(market: Market) -> None:
    session, number = await opened_tunnel(market)
    seed = os.urandom(32)
    order, first = market.merchant.make_invoice(seed)
    _order, second = market.merchant.make_invoice(seed, order=order, pay_by=START + 800)
    for signed in (first, first):
        market.merchant.invoice = signed
        await market.ask(session, Relay(request_number=number, record=b"x"))
    market.merchant.invoice = second
    with pytest.raises(WrongOrderState):
        await market.ask(session, Relay(request_number=number, record=b"x"))


async def test_unpaid_orders_of_a_session_are_bounded(market: Market) -> None:
    session, number = await opened_tunnel(market)
    for _ in range(UNPAID_PER_SESSION_MAX):
        _order, market.merchant.invoice = market.merchant.make_invoice(os.urandom(32))
        await market.ask(session, Relay(request_number=number, record=b"x"))
    _order, market.merchant.invoice = market.merchant.make_invoice(os.urandom(32))
    with pytest.raises(TooManyOpen):
        await market.ask(session, Relay(request_number=number, record=b"x"))
    market.clock.now += 900
    await market.ask(session, Relay(request_number=number, record=b"x"))


async def test_a_new_descriptor_is_learned_and_the_old_key_still_good(market: Market) -> None:
    session, number = await opened_tunnel(market)
    _order, old = market.merchant.make_invoice(os.urandom(32))
    market.merchant.renew()
    welcome = await market.ask(session, Start())
    await market.ask(session, market.opening(welcome.request_number))
    view = market.broker.state.merchants.known(market.merchant.fingerprint)
    assert [known.descriptor.serial for known in view.descriptors] == [2, 1]
    _order, new = market.merchant.make_invoice(os.urandom(32))
    for signed in (old, new):
        market.merchant.invoice = signed
        relayed = await market.ask(session, Relay(request_number=number, record=b"x"))
        assert relayed.payable is not None


async def test_what_is_payable_is_what_the_invoice_says(market: Market) -> None:
    """The order key too: its holder releases the order, so it must be the customer's own."""
    session, number = await opened_tunnel(market)
    _order, signed = market.merchant.make_invoice(os.urandom(32))
    market.merchant.invoice = signed
    relayed = await market.ask(session, Relay(request_number=number, record=b"x"))
    invoice = decode(Invoice, signed[SIGNATURE_BYTES:], SIGNED_MAX_BYTES)
    for field in Payable.__struct_fields__:
        assert getattr(relayed.payable, field) == getattr(invoice, field)


async def test_descriptors_are_served_by_serial_and_newest(market: Market) -> None:
    session = market.session()
    fingerprint = market.merchant.fingerprint
    first = market.merchant.signed
    market.merchant.renew()
    newest = await market.ask(session, GetMerchant(fingerprint=fingerprint, serial=0))
    assert newest.signed == market.merchant.signed
    old = await market.ask(session, GetMerchant(fingerprint=fingerprint, serial=1))
    assert old.signed == first
    market.merchant.refuse = MerchantUnreachable()
    away = await market.ask(session, GetMerchant(fingerprint=fingerprint, serial=0))
    assert away.signed == market.merchant.signed


async def test_a_forged_descriptor_is_not_believed(
    market: Market, other_key: identity.IdentityKey
) -> None:
    real = market.merchant.signed
    market.merchant.key = other_key
    market.merchant.renew()
    session = market.session()
    request = GetMerchant(fingerprint=market.merchant.fingerprint, serial=0)
    assert (await market.ask(session, request)).signed == real
    with pytest.raises(VeilmartError):
        await market.ask(session, GetMerchant(fingerprint=market.merchant.fingerprint, serial=2))
