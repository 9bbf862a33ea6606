"""A merchant that is real but for one lie; a wallet that gets its money back by itself."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.escrow.bad_goods import other_piece, wrong_key
from tests.escrow.stage import Stage, staged
from tests.support.roles import CREDIT, PRICE, Roles
from tests.support.signed_orders import resigned
from veilmart.customer.disputes.dispute_rules import examine
from veilmart.customer.disputes.proof_file import export_proof, judge
from veilmart.customer.purchase.recovery_rules import may_be_refunded
from veilmart.customer.wallet.orders import terms_of
from veilmart.errors import (
    ContentKeyInvalid,
    DiskFull,
    JudgementInvalid,
    NothingToDispute,
    PieceMismatch,
    StoreDamaged,
    VeilmartError,
    WrongOrderState,
)
from veilmart.protocol import offer as offers, parcel
from veilmart.protocol.evidence import Finding


def junk_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sealed key opens to nothing."""
    monkeypatch.setattr(offers, "seal_content_key", lambda *_: os.urandom(64))


def damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed, and it does not open."""

    def lie(*args: Any) -> bytes:
        _suite, _key, seed, order, index, count, _piece = args
        return resigned(seed, order, index, count, parcel.seal_segment(*args))

    monkeypatch.setattr("veilmart.merchant.server.http_app.seal_segment", lie)


LIES = {
    "wrong key": (wrong_key, ContentKeyInvalid, "key", Finding.KEY),
    "junk key": (junk_key, ContentKeyInvalid, "key", Finding.KEY),
    "other piece": (other_piece, PieceMismatch, "segment", Finding.SEGMENT),
    "damaged": (damaged, PieceMismatch, "segment", Finding.SEGMENT),
}
every_lie = pytest.mark.parametrize("lie", LIES)


@every_lie
async def test_the_wallet_finds_the_lie_and_gets_the_money_back(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    tell, error, reason, finding = LIES[lie]
    tell(monkeypatch)
    async with staged(roles, tmp_path) as stage:
        fault = await stage.fails(error)
        assert "customer dispute" in fault.hint and "goes to the merchant" in fault.money_now
        assert stage.order.state == stage.broker_state() == "released"
        said = stage.standing()
        assert "goes to the merchant" in said.money and said.by is not None
        assert said.goods.startswith("not as promised") and "customer dispute" in said.todo
        complaint = await stage.dispute()
        assert (complaint.reason, complaint.finding) == (reason, finding)
        assert stage.order.state == stage.broker_state() == "refunded"
        assert await stage.money() == (CREDIT, 0)
        assert stage.standing().money.startswith("returned to you")
        [line] = await stage.disputes()
        assert (line.outcome, line.finding) == ("won", finding.value)
        await stage.merchant_says("refunded")
        await roles.check_books()


@every_lie
async def test_the_proof_verifies_offline_and_a_changed_one_does_not(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    tell, error, _, finding = LIES[lie]
    tell(monkeypatch)
    async with staged(roles, tmp_path) as stage:
        await stage.fails(error)
        order, complaint = await stage.shopper.perform(examine(stage.order, roles.clock))
        proof = export_proof(order, complaint)
        judged = judge(proof)
        assert (judged.finding, judged.paid, judged.order) == (
            finding.value,
            True,
            order.order.hex(),
        )
        for at in range(0, len(proof), max(1, len(proof) // 40)):
            changed = bytearray(proof)
            changed[at] ^= 1
            with pytest.raises(JudgementInvalid):
                judge(bytes(changed))
        with pytest.raises(JudgementInvalid):
            judge(proof[:-1])


def no_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was paid, and serves nothing."""

    def lie(*_: Any) -> bytes:
        raise StoreDamaged

    monkeypatch.setattr("veilmart.merchant.server.http_app.seal_segment", lie)


def segment_of_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    def lie(*args: Any) -> bytes:
        suite, key, seed, _order, index, count, piece = args
        return parcel.seal_segment(suite, key, seed, os.urandom(32), index, count, piece)

    monkeypatch.setattr("veilmart.merchant.server.http_app.seal_segment", lie)


@pytest.mark.parametrize("tell", [no_segments, segment_of_another_order])
async def test_without_segments_the_key_is_never_asked_for(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tell: Any
) -> None:
    """Nothing to dispute: the money comes back whole, at the deadline or at once by cancelling."""
    tell(monkeypatch)
    async with staged(roles, tmp_path) as stage:
        await stage.fails(VeilmartError)
        assert stage.broker_state() == "held"
        with pytest.raises(WrongOrderState, match="cancel"):
            await stage.dispute()
        roles.clock.ahead += terms_of(stage.order).offer.deliver_within + 1
        await stage.until("refunded")
        assert await stage.money() == (CREDIT, 0)
        assert await stage.sync() == "refunded"
        await roles.check_books()


async def test_nothing_is_wrong_with_an_honest_order(roles: Roles, tmp_path: Path) -> None:
    async with staged(roles, tmp_path) as stage:
        await stage.buy()
        with pytest.raises(WrongOrderState):
            await stage.dispute()
        assert await stage.money() == (CREDIT - PRICE, PRICE)
        assert stage.standing() == type(stage.standing())("paid to the merchant", "here", "", None)


async def test_a_released_order_without_a_fault_is_finished_not_disputed(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full when the file was written."""
    async with staged(roles, tmp_path) as stage:
        with monkeypatch.context() as patch:
            patch.setattr("veilmart.customer.purchase.file_writer.PartialFile.finish", _full)
            with pytest.raises(DiskFull):
                await stage.buy()
        with pytest.raises(NothingToDispute):
            await stage.dispute()
        assert await stage.sync() == "done"


def _full(*_: Any, **__: Any) -> None:
    raise DiskFull


async def test_segments_that_are_gone_are_fetched_again_for_the_evidence(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_piece(monkeypatch)
    async with staged(roles, tmp_path) as stage:
        await stage.fails(PieceMismatch)
        stage.wallet.database.run_now(lambda c: c.exec_driver_sql("DELETE FROM parcels") and None)
        assert (await stage.dispute()).finding is Finding.SEGMENT
        assert await stage.money() == (CREDIT, 0)


@pytest.mark.parametrize("lie", ["wrong key", "other piece"])
async def test_too_late_says_who_has_the_money(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: str
) -> None:
    tell, error, _, _ = LIES[lie]
    tell(monkeypatch)
    async with staged(roles, tmp_path) as stage:
        await stage.fails(error)
        order, complaint = await stage.shopper.perform(examine(stage.order, roles.clock))
        roles.clock.ahead += terms_of(order).offer.settle_within + 1
        await stage.until("settled")
        with pytest.raises(WrongOrderState) as caught:
            await stage.dispute()
        assert "only the merchant" in caught.value.money_now
        assert "only the merchant" in stage.standing().todo
        proof = export_proof(order, complaint)
        assert judge(proof).paid


# ---- the merchant gives it back ------------------------------------------------------------------


async def test_a_refund_after_the_purchase_is_noticed(roles: Roles, tmp_path: Path) -> None:
    async with staged(roles, tmp_path) as stage:
        bought = await stage.buy()
        await stage.merchant_says("settled")
        assert await stage.look() is None
        await stage.merchant_refunds()
        assert [order.order for order in may_be_refunded(stage.wallet)] == [bought.order.order]
        assert (await stage.look()).outcome == "returned"
        assert stage.order.state == "refunded" and bought.path.exists()
        assert stage.standing().goods == "here as well"
        assert may_be_refunded(stage.wallet) == []
        assert await stage.money() == (CREDIT, 0)
        await stage.merchant_says("refunded")
        await roles.check_books()


async def test_a_refund_of_a_faulty_order_is_noticed_by_sync(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The merchant says sorry before anybody disputes."""
    other_piece(monkeypatch)
    async with staged(roles, tmp_path) as stage:
        await stage.fails(PieceMismatch)
        with pytest.raises(PieceMismatch):
            await stage.sync()
        await stage.merchant_refunds()
        assert await stage.sync() == "refunded"
        assert stage.order.state == "refunded"
        assert await stage.money() == (CREDIT, 0)


async def test_a_refund_before_the_acknowledgement_keeps_the_file(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Delivered, cut off, given back meanwhile: nothing to acknowledge, and sync ends it."""
    async with staged(roles, tmp_path) as stage:
        with monkeypatch.context() as patch:
            patch.setattr("veilmart.customer.purchase.completion_rules._acknowledge", _cut_off)
            with pytest.raises(ConnectionError):
                await stage.buy()
        assert stage.broker_state() == "released"
        await stage.merchant_refunds()
        assert await stage.sync() == "refunded"
        assert (stage.out / "june.txt").exists()
        assert await stage.money() == (CREDIT, 0)
        await roles.check_books()


def _cut_off(*_: Any) -> Any:
    raise ConnectionError
    yield


async def test_an_empty_stage_has_nothing_to_watch(roles: Roles, tmp_path: Path) -> None:
    async with staged(roles, tmp_path) as stage:
        assert isinstance(stage, Stage) and may_be_refunded(stage.wallet) == []
