"""A wrong clock takes nobody's money: what cannot be undone waits until the clock is believed."""

import os
from pathlib import Path

import pytest

from tests.broker.called import run
from tests.broker.operator.bought import bought
from tests.support.broker_market import Market
from tests.support.engines import both_engines
from tests.support.token_wallet import TokenWallet
from veilmart.broker import settings
from veilmart.broker.escrow import invoices
from veilmart.broker.keys import token_keys
from veilmart.broker.ledger import booking
from veilmart.broker.maintenance.upkeep import CLOCK_SEEN, confirm_clock
from veilmart.broker.server.running import RunningBroker
from veilmart.errors import ClockInDoubt
from veilmart.protocol import customer_messages as messages

DAY = 24 * 3600


class Machine:
    """A monotonic clock beside the market's wall clock."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self.up = 0.0

    def passes(self, seconds: int) -> None:
        self._market.clock.now += seconds
        self.up += seconds

    def start(self) -> None:
        """The broker once more, with this clock."""
        market = self._market
        market.broker = RunningBroker(
            market.opened, market.clock, os.urandom, market.events.append, elapsed=lambda: self.up
        )
        market.broker.links.ask = market.merchant.ask  # type: ignore[assignment, method-assign]


@pytest.fixture
def machine(market: Market) -> Machine:
    machine = Machine(market)
    machine.start()
    return machine


async def sweep(market: Market, rounds: int = 13) -> None:
    for _ in range(rounds):
        await market.broker.sweep()


def states(market: Market, orders: list[bytes]) -> list[str]:

    return [market.run(invoices.get_invoice, order).state.value for order in orders]


@both_engines
async def test_one_sweep_with_a_wrong_clock_confiscates_nothing(
    market: Market, machine: Machine
) -> None:
    anna = await market.customer("anna", 5000)
    wallet = TokenWallet(market)
    await wallet.withdraw(anna, 4)
    held = await bought(market, anna, settle=False)
    released = await bought(market, anna, settle=False)
    await market.ask(anna, market.act(messages.Release, released))
    await sweep(market)
    living = {key.id for key in market.run(token_keys.living)}
    market.clock.now += 120 * DAY
    with pytest.raises(ClockInDoubt):
        await sweep(market, 1)
    assert living <= {key.id for key in market.run(token_keys.living)}
    assert market.run(booking.totals)["fees"] == 0
    assert states(market, [held, released]) == ["held", "released"]
    market.clock.now -= 120 * DAY
    await sweep(market)
    market.check_books()
    machine.passes(7200)
    await sweep(market)
    assert states(market, [held, released]) == ["refunded", "settled"]
    market.check_books()


@both_engines
async def test_a_long_stop_waits_for_the_operator(market: Market, machine: Machine) -> None:
    anna = await market.customer("anna", 5000)
    held = await bought(market, anna, settle=False)
    await sweep(market)
    await market.broker.aclose()
    machine.passes(30 * DAY)
    machine.start()
    with pytest.raises(ClockInDoubt):
        await sweep(market, 1)
    assert states(market, [held]) == ["held"]
    assert market.run(settings.number, CLOCK_SEEN) < market.clock.now
    market.run(confirm_clock, market.clock.now)
    await market.broker.look()
    await sweep(market)
    assert states(market, [held]) == ["refunded"]
    market.check_books()


async def test_a_short_stop_needs_nobody(market: Market, machine: Machine) -> None:
    anna = await market.customer("anna", 5000)
    held = await bought(market, anna, settle=False)
    await sweep(market)
    await market.broker.aclose()
    machine.passes(2 * DAY)
    machine.start()
    await sweep(market)
    assert states(market, [held]) == ["refunded"]


@both_engines
@pytest.mark.parametrize("jump", [-40 * DAY, -3600, 3600, 6 * DAY])
async def test_the_books_are_in_order_after_a_clock_that_jumped_while_people_bought(
    market: Market, machine: Machine, jump: int
) -> None:
    anna = await market.customer("anna", 50_000)
    before = await bought(market, anna, settle=False)
    market.clock.now += jump
    fresh = await market.customer("bert", 5000)
    await bought(market, fresh)
    await market.ask(market.session(), market.act(messages.Cancel, before))
    market.check_books()
    market.clock.now -= jump
    await bought(market, await market.customer("carl", 5000))
    await sweep(market)
    market.check_books()


async def test_the_command_confirms_and_the_status_tells(
    market: Market, machine: Machine, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market.clock.now += 120 * DAY
    with pytest.raises(ClockInDoubt):
        await sweep(market, 1)
    assert run("status", home=home) == 0
    assert "FAILS  clock" in capsys.readouterr().out
    assert run("clock", "confirm", home=home) == 0
    assert "The clock is right" in capsys.readouterr().out
    await market.broker.look()
    await sweep(market)
