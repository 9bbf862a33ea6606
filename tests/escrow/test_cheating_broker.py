"""A broker that is real but for one lie: what it gets, and what the customer is left with.

docs/threat-model.md, "The broker". It holds the money, so it can keep it; it cannot make the
merchant look guilty, sell by itself, or deny what it signed.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.escrow.bad_goods import other_piece, wrong_key
from tests.escrow.stage import NAME, staged
from tests.support.roles import CREDIT, PRICE, Roles
from veilmart.broker.disputes import dispute_rules
from veilmart.broker.effects import Answer
from veilmart.broker.server import dispatch
from veilmart.customer.disputes.dispute_rules import dispute, examine
from veilmart.customer.disputes.fault_finder import key_fault, unsigned_key
from veilmart.customer.disputes.proof_file import export_proof, judge
from veilmart.customer.purchase.receipts import export_receipt, verify_receipt
from veilmart.errors import (
    BrokerUnreachable,
    ContentKeyInvalid,
    EvidenceInvalid,
    JudgedWrongly,
    JudgementInvalid,
    KeyNotSigned,
    NothingToDispute,
    SignatureInvalid,
    VeilmartError,
    WrongOrderState,
)
from veilmart.protocol.customer_messages import (
    Acknowledge,
    GetSegment,
    GetStatus,
    OrderStatus,
    Pay,
    Release,
    Released,
)
from veilmart.protocol.dispute_messages import Dispute
from veilmart.protocol.evidence import Finding
from veilmart.protocol.offer import SIGNATURE_BYTES

Change = Callable[[Answer], Answer]


def lying(monkeypatch: pytest.MonkeyPatch, kind: type[Any], change: Change) -> None:
    """The broker's answer to that request goes through `change` on its way out."""
    honest = dispatch.RULES[kind]

    def rule(state: Any, session: Any, request: Any) -> Any:
        answer: Answer = yield from honest(state, session, request)
        return change(answer)

    monkeypatch.setitem(dispatch.RULES, kind, rule)


def corrupting(at: int) -> Change:
    """One bit of the invoice, W included, is changed in transit."""

    def change(answer: Answer) -> Answer:
        invoice = bytearray(answer.message.invoice)  # type: ignore[attr-defined]
        invoice[at] ^= 1
        return Answer(Released(invoice=bytes(invoice)))

    return change


@pytest.mark.parametrize("at", [0, SIGNATURE_BYTES, -100, -1])
async def test_w_corrupted_in_transit_is_asked_for_again_and_then_said(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """The merchant is not blamed; the broker's own copy does not win a dispute either."""
    async with staged(roles, tmp_path) as stage:
        asked: list[Any] = []

        def counted(answer: Answer) -> Answer:
            asked.append(answer)
            return corrupting(at)(answer)

        with monkeypatch.context() as patch:
            lying(patch, Release, counted)
            fault = await stage.fails(KeyNotSigned)
            assert len(asked) == 3
            assert "goes to the merchant" in fault.money_now
            order, complaint = await stage.shopper.perform(examine(stage.order, roles.clock))
            assert complaint.finding is Finding.INVOICE_KEY
            with pytest.raises(JudgementInvalid):
                export_proof(order, complaint)
            with pytest.raises(EvidenceInvalid, match="the broker that hands out another"):
                await stage.shopper.perform(dispute(order, complaint, roles.clock))
            assert await stage.money() == (CREDIT - PRICE, 0)
        assert await stage.sync() == "done"
        assert await stage.money() == (CREDIT - PRICE, PRICE)


async def test_w_corrupted_once_costs_a_second_question(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(roles, tmp_path) as stage:
        answers: list[Answer] = []

        def once(answer: Answer) -> Answer:
            answers.append(answer)
            return corrupting(-1)(answer) if len(answers) == 1 else answer

        lying(monkeypatch, Release, once)
        await stage.buy()
        assert len(answers) == 2


async def test_a_signed_invoice_of_another_order(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Validly signed, but the broker's own receipt says which invoice is paid: the merchant is not
    blamed, nothing is stored, and the right one is taken later.
    """
    async with staged(roles, tmp_path) as stage:
        first = await stage.buy()
        other = Released(invoice=first.order.invoice)
        roles.clock.ahead += 5
        with monkeypatch.context() as patch:
            lying(patch, Release, lambda _: Answer(other))
            await stage.fails(KeyNotSigned)
            assert stage.order.state == "held"
            with pytest.raises(EvidenceInvalid, match="the broker that hands out another"):
                await stage.dispute()
        blamed = replace(stage.order, invoice=first.order.invoice)
        assert key_fault(blamed) is None
        complaint = replace(unsigned_key(blamed), finding=Finding.INVOICE)
        for paid in (blamed, replace(blamed, receipt=None)):
            with pytest.raises(JudgementInvalid, match="not this order's"):
                judge(export_proof(paid, complaint))
        assert await stage.sync() == "done"


async def test_answers_to_release_are_dropped(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RELEASED at the broker, HELD at the wallet; asked again it gets the same answer."""
    async with staged(roles, tmp_path) as stage:
        with monkeypatch.context() as patch:
            lying(patch, Release, _away)
            await stage.fails(VeilmartError)
        assert (stage.order.state, stage.broker_state()) == ("held", "released")
        with pytest.raises(NothingToDispute):
            await stage.dispute()
        assert await stage.sync() == "done"


def _away(_: Answer) -> Answer:
    raise BrokerUnreachable


@pytest.mark.parametrize("lie", ["offered", "expired", "settled", "refunded", "no such word"])
async def test_lies_about_the_status(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    """Of a dispute that is due: nothing is sent, and the proof stays with the customer."""
    wrong_key(monkeypatch)
    async with staged(roles, tmp_path) as stage:
        await stage.fails(ContentKeyInvalid)
        order, complaint = await stage.shopper.perform(examine(stage.order, roles.clock))
        with monkeypatch.context() as patch:
            lying(patch, GetStatus, lambda _: Answer(OrderStatus(state=lie, due=0)))
            with pytest.raises(WrongOrderState):
                await stage.shopper.perform(examine(stage.order, roles.clock))
        assert judge(export_proof(order, complaint)).paid
        assert (await stage.dispute()).finding is Finding.KEY


@pytest.mark.parametrize("tell", [wrong_key, other_piece], ids=["key", "segment"])
async def test_a_valid_dispute_is_refused(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Any
) -> None:
    """The wallet says that the broker breaks its own rules, and anybody can verify it."""
    tell(monkeypatch)

    def never(*_: Any) -> Finding:
        raise EvidenceInvalid("We do not like it.")

    async with staged(roles, tmp_path) as stage:
        await stage.fails(VeilmartError)
        order, complaint = await stage.shopper.perform(examine(stage.order, roles.clock))
        with monkeypatch.context() as patch:
            patch.setattr(dispute_rules, "decide", never)
            with pytest.raises(JudgedWrongly) as caught:
                await stage.shopper.perform(dispute(order, complaint, roles.clock))
        assert "--save" in caught.value.hint and "We do not like it." in caught.value.detail
        judged = judge(export_proof(order, complaint))
        assert judged.paid and judged.finding == complaint.finding.value
        assert (stage.order.state, stage.broker_state()) == ("released", "released")


async def test_a_dispute_is_said_to_be_won_and_nothing_is_paid(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The word of a broker about money is what one trusts it for; the receipt still convicts it."""
    wrong_key(monkeypatch)

    def nothing(state: Any, session: Any, request: Dispute) -> Any:
        yield from ()
        return Answer(OrderStatus(state="refunded", due=0))

    async with staged(roles, tmp_path) as stage:
        await stage.fails(ContentKeyInvalid)
        order, complaint = await stage.shopper.perform(examine(stage.order, roles.clock))
        monkeypatch.setitem(dispatch.RULES, Dispute, nothing)  # type: ignore[misc]
        await stage.shopper.perform(dispute(order, complaint, roles.clock))
        assert stage.order.state == "refunded"
        assert (await stage.shopper.account.read()).balance == CREDIT - PRICE
        assert judge(export_proof(order, complaint)).paid


async def test_pays_nobody(roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says settled and keeps the escrow: customer and merchant each hold what convicts it."""

    def nothing(state: Any, session: Any, request: Acknowledge) -> Any:
        yield from ()
        return Answer(OrderStatus(state="settled", due=0))

    monkeypatch.setitem(dispatch.RULES, Acknowledge, nothing)  # type: ignore[misc]
    async with staged(roles, tmp_path) as stage:
        bought = await stage.buy()
        assert bought.order.state == "done" and bought.path.exists()
        assert await stage.money() == (CREDIT - PRICE, 0)
        verified = verify_receipt(export_receipt(bought.order))
        assert verified.order == bought.order.order.hex()
        # The merchant served the segments of an order that the broker said was paid.
        await stage.merchant_says("paid")


async def test_segments_are_corrupted_or_withheld(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing verifies, so the key is never asked for, and the deadline gives the money back."""

    def junk(answer: Answer) -> Answer:
        return Answer(answer.message, attachment=os.urandom(len(answer.attachment or b"")))

    async with staged(roles, tmp_path) as stage:
        with monkeypatch.context() as patch:
            for kind in (Pay, GetSegment):
                lying(patch, kind, junk)
            await stage.fails(SignatureInvalid)
        assert stage.broker_state() == "held"
        assert (await stage.shopper.cancel(stage.order)).outcome == "cancelled"
        assert await stage.money() == (CREDIT, 0)


async def test_a_broker_cannot_make_the_merchant_look_guilty(roles: Roles, tmp_path: Path) -> None:
    """With all that it carried of an honest order there is no proof: nothing else is signed."""
    async with staged(roles, tmp_path) as stage:
        order = (await stage.buy(NAME)).order
        assert key_fault(order) is None
        honest = unsigned_key(order)
        for at in range(0, len(order.invoice), 7):
            invoice = bytearray(order.invoice)
            invoice[at] ^= 1
            forged = replace(order, invoice=bytes(invoice))
            for finding in (Finding.KEY, Finding.INVOICE):
                with pytest.raises(JudgementInvalid):
                    judge(export_proof(forged, replace(honest, finding=finding)))
