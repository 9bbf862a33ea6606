"""Escrow to its end, by the programs themselves: deadlines, cancellation, settlement, outages.

Real broker and merchant, stopped and started again; a clock that jumps. Whatever was down and for
however long, every purchase ends, and the money is where it belongs.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.escrow.stage import Stage, staged
from tests.support.roles import CREDIT, PRICE, Roles
from veilmart.customer.wallet.orders import terms_of
from veilmart.errors import NetworkFailure, WrongOrderState

CUTS = {
    "paid": "veilmart.customer.purchase.purchase_rules.complete",
    "held": "veilmart.customer.purchase.completion_rules._release",
    "released": "veilmart.customer.purchase.completion_rules._deliver",
    "delivered": "veilmart.customer.purchase.completion_rules._acknowledge",
}


def cut_off(*_: Any, **__: Any) -> Any:
    """The wallet's process ends here."""
    raise ConnectionError
    yield


async def bought_until(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, cut: str
) -> Callable[[], int]:
    """A purchase that was killed there; returns when its money moves by itself."""
    with monkeypatch.context() as patch:
        patch.setattr(CUTS[cut], cut_off)
        with pytest.raises(ConnectionError):
            await stage.buy()
    offer = terms_of(stage.order).offer
    held = cut in ("paid", "held")
    return lambda: (offer.deliver_within if held else offer.settle_within) + 5


async def down_over_the_deadline(roles: Roles, *, who: str, seconds: int) -> None:
    """Stopped, time passes, started again."""
    downed = {"broker": [roles.broker], "merchant": [roles.merchant]}.get(
        who, [roles.broker, roles.merchant]
    )
    for role in downed:
        await role.stop()
    roles.clock.ahead += seconds
    for role in reversed(downed):
        await role.start()
    roles.outside.target, roles.inside.target = roles.broker.address, roles.merchant.address


DOWN = pytest.mark.parametrize("who", ["nobody", "broker", "merchant", "both"])


async def pass_deadline(roles: Roles, who: str, seconds: int) -> None:
    if who == "nobody":
        roles.clock.ahead += seconds
    else:
        await down_over_the_deadline(roles, who=who, seconds=seconds)


@DOWN
@pytest.mark.parametrize("cut", ["paid", "held"])
async def test_what_was_never_released_comes_back_whole(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str, cut: str
) -> None:
    async with staged(roles, tmp_path) as stage:
        due = await bought_until(stage, monkeypatch, cut)
        assert stage.broker_state() == "held"
        assert await stage.money() == (CREDIT - PRICE, 0)
        await pass_deadline(roles, who, due())
        await stage.until("refunded")
        assert await stage.money() == (CREDIT, 0)
        said = stage.standing()
        assert "sync" in said.todo
        if cut == "held":
            assert said.money.startswith("comes back whole")
        await again(stage)
        assert await stage.sync() == "refunded"
        assert stage.standing().money.startswith("returned to you")
        await stage.merchant_says("refunded")
        await roles.check_books()


@DOWN
@pytest.mark.parametrize("cut", ["released", "delivered"])
async def test_what_was_released_is_settled_by_time(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: str, cut: str
) -> None:
    """The customer went away with the key. Days later it comes back and finishes its file."""
    async with staged(roles, tmp_path) as stage:
        due = await bought_until(stage, monkeypatch, cut)
        assert stage.broker_state() == "released"
        await pass_deadline(roles, who, due())
        await stage.until("settled")
        assert await stage.money() == (CREDIT - PRICE, PRICE)
        await stage.merchant_says("settled")
        await again(stage)
        assert await stage.sync() == "done"
        assert (stage.out / "june.txt").exists()
        assert await stage.money() == (CREDIT - PRICE, PRICE)
        await roles.check_books()


async def again(stage: Stage) -> None:
    """The wallet comes back in a new process, after an outage of whatever kind."""
    await stage.shopper.aclose()
    stage.shopper = await stage.roles.connect("mia")


@pytest.mark.parametrize("cut", ["paid", "held"])
async def test_a_moment_before_the_deadline_it_is_finished(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    async with staged(roles, tmp_path) as stage:
        due = await bought_until(stage, monkeypatch, cut)
        await down_over_the_deadline(roles, who="broker", seconds=due() - 300)
        await again(stage)
        assert await stage.sync() == "done"
        assert await stage.money() == (CREDIT - PRICE, PRICE)


async def test_the_merchant_hears_of_it_when_it_is_back(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with staged(roles, tmp_path) as stage:
        due = await bought_until(stage, monkeypatch, "released")
        await roles.merchant.stop()
        roles.clock.ahead += due()
        await stage.until("settled")
        await roles.merchant.start()
        roles.inside.target = roles.merchant.address
        await stage.merchant_says("settled")


async def test_a_clock_that_jumps_and_is_set_right(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Back: nothing is refunded or settled early. Forward a little: neither."""
    async with staged(roles, tmp_path) as stage:
        due = await bought_until(stage, monkeypatch, "held")
        for jump in (-3600, 7200, -3600):
            roles.clock.ahead += jump
            await stage.until("held")
        assert await stage.money() == (CREDIT - PRICE, 0)
        roles.clock.ahead += due()
        await stage.until("refunded")
        roles.clock.ahead -= due()
        assert await stage.sync() == "refunded"
        assert await stage.money() == (CREDIT, 0)
        await roles.check_books()


# ---- cancellation --------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", ["paid", "held"])
async def test_a_held_order_can_be_given_up(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    async with staged(roles, tmp_path) as stage:
        await bought_until(stage, monkeypatch, cut)
        ended = await stage.shopper.cancel(stage.order)
        assert (ended.outcome, stage.order.state) == ("cancelled", "refunded")
        assert await stage.money() == (CREDIT, 0)
        with pytest.raises(WrongOrderState):
            await stage.shopper.cancel(stage.order)
        if cut == "held":
            await stage.merchant_says("refunded")
        await roles.check_books()


@pytest.mark.parametrize("cut", ["released", "delivered"])
async def test_a_released_order_cannot_be_given_up(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """The key is out: only evidence or the merchant can bring the money back."""
    async with staged(roles, tmp_path) as stage:
        await bought_until(stage, monkeypatch, cut)
        with pytest.raises(WrongOrderState):
            await stage.shopper.cancel(stage.order)
        assert stage.broker_state() == "released"
        assert await stage.sync() == "done"


async def test_a_key_that_was_asked_for_on_the_way_out_cannot_be_given_up(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wallet thinks HELD, the broker has RELEASED: the answer got lost."""
    async with staged(roles, tmp_path) as stage:
        with monkeypatch.context() as patch:
            patch.setattr("veilmart.customer.purchase.completion_rules.save_order", _no_disk)
            with pytest.raises(OSError, match="no disk"):
                await stage.buy()
        assert (stage.order.state, stage.broker_state()) == ("held", "released")
        with pytest.raises(WrongOrderState):
            await stage.shopper.cancel(stage.order)
        assert await stage.sync() == "done"


def _no_disk(*_: Any) -> None:
    raise OSError("no disk")


async def test_a_broker_that_stays_away_costs_nobody_anything(
    roles: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sync says that it cannot be reached; a week later everything ends as it would have."""
    async with staged(roles, tmp_path) as stage:
        due = await bought_until(stage, monkeypatch, "held")
        await roles.broker.stop()
        with pytest.raises(NetworkFailure):
            await stage.sync()
        roles.clock.ahead += due()
        await roles.broker.start()
        roles.outside.target = roles.broker.address
        await stage.until("refunded")
        await again(stage)
        assert await stage.sync() == "refunded"
        assert await stage.money() == (CREDIT, 0)
