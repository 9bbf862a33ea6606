"""Every way in which a customer can cheat with a dispute, and what it gets: nothing.

docs/threat-model.md, "The customer"; each case on a real broker with real keys and ciphers.
"""

import asyncio
import dataclasses
import hashlib
import os
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection, func, select

from tests.disputes.court import CREDIT, PRICE, SHELF, Court
from tests.support.engines import both_engines
from tests.support.signed_orders import TWO_PIECES, Cheats, make_papers, product
from veilmart.broker.disputes.evidence import join_parts
from veilmart.broker.disputes.records import dispute_lines
from veilmart.broker.maintenance.sweeper import FORGETTING, sweep_invoices
from veilmart.broker.schema.dispute_tables import evidence_parts
from veilmart.errors import (
    EvidenceInvalid,
    OperationConflict,
    OrderKeyInvalid,
    OrderUnknown,
    WrongOrderState,
)
from veilmart.limits import EVIDENCE_KEPT_SECONDS, EVIDENCE_PART_BYTES
from veilmart.protocol import labels, offer as offers
from veilmart.protocol.customer_messages import Acknowledge, Cancel, Release
from veilmart.protocol.dispute_messages import SendEvidence
from veilmart.protocol.order_key import sign_action

DAMAGED = Cheats(sealed_key=bytes(64))


# ---- a good order, and evidence that shows nothing -----------------------------------------------


@both_engines
async def test_evidence_for_a_good_order(court: Court) -> None:
    papers = await court.released()
    assert "the one that the offer promised" in await court.refused(papers, "key")
    evidence = papers.evidence(papers.segment())
    assert "the piece that was promised" in await court.refused(papers, "segment", evidence)
    await court.act(Acknowledge, papers)
    assert court.money() == (CREDIT - PRICE, PRICE)


async def test_a_forged_offer(court: Court) -> None:
    """Signed by the customer: another key's hash, so that the honest W would not fit."""
    papers = await court.released()
    forged = offers.sign_object(os.urandom(32), labels.OFFER, papers.offer)
    why = await court.refused(papers, "key", papers.evidence(offer=forged))
    assert why == "The offer is not this order's."


async def test_an_offer_with_a_byte_changed(court: Court) -> None:
    papers = await court.released()
    changed = bytearray(papers.signed_offer)
    changed[-1] ^= 1
    why = await court.refused(papers, "key", papers.evidence(offer=bytes(changed)))
    assert why == "The offer is not this order's."


async def test_an_order_made_by_the_customer_alone(court: Court) -> None:
    """An invoice is the merchant's; a customer that names an order of its own has none."""
    forged = make_papers(court.market.merchant, court.market.clock())
    court.market.seeds[forged.order] = forged.order_seed
    await court.released()
    with pytest.raises(OrderUnknown):
        await court.dispute(forged, "key")


async def test_the_descriptor_of_another_merchant(court: Court, other_key: Any) -> None:
    papers = await court.released()
    stranger = type(court.market.merchant)(other_key, court.market.opened.fingerprint)
    evidence = papers.evidence(descriptor=stranger.signed)
    assert "not of the merchant that invoiced" in await court.refused(papers, "key", evidence)


async def test_a_later_descriptor_of_the_merchant(court: Court) -> None:
    """With it the offer would not verify, and the merchant would look at fault."""
    papers = await court.released()
    court.market.merchant.renew()
    assert await court.refused(papers, "key") == "The offer does not verify."


async def test_a_descriptor_that_the_offer_does_not_name(court: Court) -> None:
    """Same identity, same signing key, other bytes."""
    papers = await court.released()
    again = court.market.merchant.describe(1, bytes(32))
    why = await court.refused(papers, "key", papers.evidence(descriptor=again))
    assert why == "The descriptor is not the one that the offer names."


async def test_a_descriptor_with_a_byte_changed(court: Court) -> None:
    papers = await court.released()
    changed = bytearray(court.market.merchant.signed)
    changed[10] ^= 1
    why = await court.refused(papers, "key", papers.evidence(descriptor=bytes(changed)))
    assert why == "The merchant's descriptor does not verify."


async def test_another_escrow_key(court: Court) -> None:
    """With any other key W does not open."""
    papers = await court.released()
    evidence = papers.evidence(escrow_key=os.urandom(32))
    why = await court.refused(papers, "key", evidence)
    assert why == "The escrow key is not the one that the offer names."


async def test_evidence_of_another_order(court: Court) -> None:
    """The other order's merchant is at fault; this one's is not."""
    bad = await court.released(cheats=DAMAGED)
    good = await court.released()
    assert await court.refused(good, "key", bad.evidence()) == "The offer is not this order's."
    mixed = good.evidence(bad.damaged_segment())
    assert "did not sign that segment" in await court.refused(good, "segment", mixed)
    mixed = good.evidence(escrow_key=bad.escrow_key)
    assert "escrow key" in await court.refused(good, "key", mixed)
    await court.dispute(bad, "key")
    assert court.money() == (CREDIT - PRICE, 0)
    assert await court.state(good) == "released"


async def test_a_forged_segment(court: Court) -> None:
    papers = await court.released()
    forged = papers.segment(signing_seed=os.urandom(32), piece=bytes(4096))
    assert "did not sign" in await court.refused(papers, "segment", papers.evidence(forged))


async def test_a_segment_damaged_by_the_customer(court: Court) -> None:
    papers = await court.released()
    damaged = bytearray(papers.segment())
    damaged[500] ^= 1
    evidence = papers.evidence(bytes(damaged))
    assert "did not sign" in await court.refused(papers, "segment", evidence)


async def test_a_segment_cut_off(court: Court) -> None:
    papers = await court.released()
    evidence = papers.evidence(papers.segment()[:-1])
    assert "did not sign" in await court.refused(papers, "segment", evidence)


async def test_a_segment_under_another_number(court: Court) -> None:
    """Honest segment 0 shown as segment 1."""
    papers = await court.released(packed=product(TWO_PIECES))
    evidence = papers.evidence(papers.segment(0))
    assert "did not sign" in await court.refused(papers, "segment", evidence, 1)


async def test_a_segment_that_the_order_does_not_have(court: Court) -> None:
    papers = await court.released()
    evidence = papers.evidence(papers.segment())
    assert "no such segment" in await court.refused(papers, "segment", evidence, 1)
    assert "no such segment" in await court.refused(papers, "segment", evidence, 2**53 - 1)


async def test_no_segment_at_all(court: Court) -> None:
    papers = await court.released()
    evidence = papers.evidence(pieces=papers.pieces)
    assert "did not sign" in await court.refused(papers, "segment", evidence)


async def test_a_changed_piece_list(court: Court) -> None:
    papers = await court.released()
    for pieces in (os.urandom(32), b"", papers.pieces * 2, papers.pieces[:-1]):
        evidence = papers.evidence(papers.segment(), pieces=pieces)
        assert "piece list" in await court.refused(papers, "segment", evidence)


async def test_the_piece_list_of_another_product(court: Court) -> None:
    good, other = await court.released(), await court.released()
    evidence = good.evidence(good.segment(), pieces=other.pieces)
    assert "piece list" in await court.refused(good, "segment", evidence)


async def test_evidence_that_is_no_evidence(court: Court) -> None:
    papers = await court.released()
    for data in (b"\xc1", os.urandom(300), b"\x91" * 1000, b"\x80"):
        await _send_raw(court, papers, data)
        request = papers.dispute(papers.evidence(), "key")
        why = await _disputed_raw(court, papers, data, request)
        assert why == "It does not have the form of evidence."


async def _send_raw(court: Court, papers: Any, data: bytes) -> None:
    signature = sign_action(papers.order_seed, papers.order, "evidence", 0)
    part = SendEvidence(order=papers.order, part=0, data=data, signature=signature)
    await court.market.ask(court.market.session(), part)


async def _disputed_raw(court: Court, papers: Any, data: bytes, request: Any) -> str:
    changed = replace(request, parts=1, hash=hashlib.sha256(data).digest())
    with pytest.raises(EvidenceInvalid) as caught:
        await court.market.ask(court.market.session(), changed)
    return caught.value.detail


# ---- at the wrong moment -------------------------------------------------------------------------


async def test_evidence_before_the_key_is_out(court: Court) -> None:
    papers = await court.held(cheats=DAMAGED)
    with pytest.raises(WrongOrderState):
        await court.dispute(papers, "key")
    await court.act(Cancel, papers)
    with pytest.raises(WrongOrderState):
        await court.dispute(papers, "key")


@both_engines
async def test_evidence_after_settlement(court: Court) -> None:
    papers = await court.settled(cheats=DAMAGED)
    with pytest.raises(WrongOrderState):
        await court.dispute(papers, "key")
    assert court.money() == (CREDIT - PRICE, PRICE)


async def test_evidence_after_the_window_that_nobody_has_swept_yet(court: Court) -> None:
    """The broker's clock decides, not when it gets round to settling."""
    papers = await court.released(cheats=DAMAGED)
    await court.send(papers, papers.evidence())
    court.market.clock.now += SHELF.settle_within
    with pytest.raises(WrongOrderState, match="time to settle"):
        await court.market.ask(court.market.session(), papers.dispute(papers.evidence(), "key"))
    court.market.run(sweep_invoices, court.market.clock)
    assert court.money() == (CREDIT - PRICE, PRICE)


async def test_a_second_later_than_the_last_moment_and_the_last_moment(court: Court) -> None:
    early, late = [await court.released(cheats=DAMAGED) for _ in range(2)]
    court.market.clock.now += SHELF.settle_within - 1
    assert (await court.dispute(early, "key")).state == "refunded"
    court.market.clock.now += 1
    with pytest.raises(WrongOrderState):
        await court.dispute(late, "key")


# ---- twice, at once, replayed --------------------------------------------------------------------


@both_engines
async def test_the_same_dispute_twice_pays_once(court: Court) -> None:
    papers = await court.released(cheats=DAMAGED)
    first = await court.dispute(papers, "key")
    request = papers.dispute(papers.evidence(), "key")
    assert await court.market.ask(court.market.session(), request) == first
    assert court.money() == (CREDIT, 0)
    court.market.check_books()


async def test_another_dispute_after_the_first_was_won(court: Court) -> None:
    papers = await court.released(cheats=DAMAGED)
    await court.dispute(papers, "key")
    other = papers.dispute(papers.evidence(papers.segment()), "segment")
    with pytest.raises(OperationConflict):
        await court.market.ask(court.market.session(), other)
    assert court.money() == (CREDIT, 0)


@both_engines
async def test_many_disputes_at_once_pay_once(court: Court) -> None:
    papers = await court.released(cheats=DAMAGED)
    evidence = papers.evidence()
    await court.send(papers, evidence)
    request = papers.dispute(evidence, "key")
    answers = await asyncio.gather(
        *(court.market.ask(court.market.session(), request) for _ in range(8))
    )
    assert {answer.state for answer in answers} == {"refunded"}
    assert court.money() == (CREDIT, 0)
    assert court.reports() == [(papers.order, "returned")]
    court.market.check_books()


@both_engines
@pytest.mark.parametrize("first", ["dispute", "acknowledge"])
async def test_dispute_and_acknowledgement_race(court: Court, first: str) -> None:
    """Whichever commits first wins; the money goes one way."""
    papers = await court.released(cheats=DAMAGED)
    evidence = papers.evidence()
    await court.send(papers, evidence)
    asks = [
        court.market.ask(court.market.session(), papers.dispute(evidence, "key")),
        court.act(Acknowledge, papers),
    ]
    if first == "acknowledge":
        asks.reverse()
    outcomes = await asyncio.gather(*asks, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, WrongOrderState)]
    state = await court.state(papers)
    assert len(refused) == 1
    assert court.money() == {"refunded": (CREDIT, 0), "settled": (CREDIT - PRICE, PRICE)}[state]
    court.market.check_books()


async def test_a_refused_dispute_is_not_examined_again(court: Court) -> None:
    """The same bytes are answered from the record; other bytes are looked at."""
    papers = await court.released()
    why = await court.refused(papers, "key")
    examined = court.market.broker.app._examiners.run
    calls: list[object] = []

    async def counted(*args: Any) -> Any:
        calls.append(args)
        return await examined(*args)

    court.market.broker.app._examiners.run = counted  # type: ignore[assignment, method-assign]
    assert await court.refused(papers, "key") == why
    assert calls == []
    await court.refused(papers, "segment", papers.evidence(papers.segment()))
    assert len(calls) == 1


async def test_missing_parts_are_asked_for_and_may_come_later(court: Court) -> None:
    papers = await court.released(packed=product(TWO_PIECES))
    evidence = papers.evidence(papers.damaged_segment(0))
    parts = papers.parts(evidence)
    request = papers.dispute(evidence, "segment")
    for part in reversed(parts[1:]):
        await court.market.ask(court.market.session(), part)
    for _ in range(2):
        with pytest.raises(EvidenceInvalid, match="Parts are missing"):
            await court.market.ask(court.market.session(), request)
    await court.market.ask(court.market.session(), parts[0])
    assert (await court.market.ask(court.market.session(), request)).state == "refunded"
    assert court.market.run(join_parts, papers.order, 34) == b""


async def test_a_dispute_without_evidence(court: Court) -> None:
    papers = await court.released(cheats=DAMAGED)
    with pytest.raises(EvidenceInvalid, match="Parts are missing"):
        await court.market.ask(court.market.session(), papers.dispute(papers.evidence(), "key"))


async def test_somebody_elses_order(court: Court) -> None:
    """A stranger without the order key neither sends evidence nor opens a dispute."""
    papers = await court.released(cheats=DAMAGED)
    thief = dataclasses.replace(papers, order_seed=os.urandom(32))
    with pytest.raises(OrderKeyInvalid):
        await court.send(thief, papers.evidence())
    await court.send(papers, papers.evidence())
    with pytest.raises(OrderKeyInvalid):
        request = thief.dispute(papers.evidence(), "key")
        await court.market.ask(court.market.session(), request)


async def test_a_signature_of_another_action_or_part(court: Court) -> None:
    papers = await court.released(cheats=DAMAGED)
    part = papers.parts(papers.evidence())[0]
    for action, index in (("dispute", 0), ("evidence", 1)):
        signature = sign_action(papers.order_seed, papers.order, action, index)  # type: ignore[arg-type]
        with pytest.raises(OrderKeyInvalid):
            await court.market.ask(court.market.session(), replace(part, signature=signature))


async def test_an_operation_id_of_another_order(court: Court) -> None:
    bad, other = await court.released(cheats=DAMAGED), await court.released()
    await court.send(bad, bad.evidence())
    request = bad.dispute(bad.evidence(), "key")
    stolen = replace(request, operation=other.dispute(other.evidence(), "key").operation)
    with pytest.raises(OperationConflict):
        await court.market.ask(court.market.session(), stolen)


# ---- floods --------------------------------------------------------------------------------------


async def test_a_flood_of_evidence_is_bounded(
    court: Court, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order that has waited longest loses its parts, and can send them again."""
    monkeypatch.setattr("veilmart.broker.disputes.evidence.EVIDENCE_PARTS_STORED_MAX", 5)
    honest = await court.released(cheats=DAMAGED)
    await court.send(honest, honest.evidence())
    court.market.clock.now += 1
    flooder = await court.released()
    for number in range(7):
        signature = sign_action(flooder.order_seed, flooder.order, "evidence", number)
        part = SendEvidence(
            order=flooder.order,
            part=number,
            data=os.urandom(EVIDENCE_PART_BYTES),
            signature=signature,
        )
        await court.market.ask(court.market.session(), part)
        assert _stored(court) <= 5
    with pytest.raises(EvidenceInvalid, match="Parts are missing"):
        request = honest.dispute(honest.evidence(), "key")
        await court.market.ask(court.market.session(), request)
    assert (await court.dispute(honest, "key")).state == "refunded"


def _stored(court: Court) -> int:
    def count(conn: Connection) -> int:
        query = select(func.count()).select_from(evidence_parts)
        return int(conn.execute(query).scalar_one())

    return int(court.market.run(count))


@both_engines
async def test_evidence_is_forgotten_after_a_day(court: Court) -> None:
    papers = await court.released(cheats=DAMAGED, **{"packed": product()})
    await court.send(papers, papers.evidence())
    assert _stored(court) == 1
    court.market.clock.now += EVIDENCE_KEPT_SECONDS
    court.market.run(FORGETTING["evidence"], court.market.clock())
    assert _stored(court) == 1
    court.market.clock.now += 1
    court.market.run(FORGETTING["evidence"], court.market.clock())
    assert _stored(court) == 0


async def test_only_paid_released_orders_can_store_anything(court: Court) -> None:
    papers = await court.held()
    with pytest.raises(WrongOrderState):
        await court.send(papers, papers.evidence())
    assert _stored(court) == 0
    await court.act(Release, papers)
    await court.send(papers, papers.evidence())
    assert _stored(court) == 1


async def test_the_operator_sees_refused_disputes_too(court: Court) -> None:
    papers = await court.released()
    await court.refused(papers, "key")
    [line] = court.market.run(dispute_lines)
    assert (line.outcome, line.reason, line.amount) == ("refused", "key", PRICE)
