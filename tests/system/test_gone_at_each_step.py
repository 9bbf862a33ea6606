"""Merchant or broker gone at each named step of the purchase.

The process is killed (SIGKILL) when it has done what the step asks of it and its answer is on the
way (and at the steps with an effect also before it hears of them), and started again on the same
home. The purchase finishes by itself, or `sync` and buying
again finish it, or the money is back.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.roles import GOODS, PASSWORD, Roles, Template, product_of
from tests.support.tampering_proxy import Forward, Gone, HttpMessage
from tests.system.programs import Program, running_programs
from veilmart.customer.connection.shopper import Shopper
from veilmart.customer.events import Event, StepReached
from veilmart.customer.purchase.recovery_rules import to_sync
from veilmart.errors import NO_MONEY, VeilmartError
from veilmart.protocol.purchase_steps import PURCHASE_STEPS

pytestmark = pytest.mark.asyncio(loop_scope="module")

# A small parcel has no message at "segment": it comes with the payment's answer.
STEPS = [step for step in PURCHASE_STEPS if step != "segment"]
CASES = [
    *((party, step, "after") for party in ("broker", "merchant") for step in STEPS),
    *(("broker", step, "before") for step in ("pay", "release", "acknowledge")),
    *(("merchant", step, "before") for step in ("select", "pay", "report")),
]
# The merchant's part in a payment is the first segment.
MERCHANT_STEPS = ("descriptor", "tunnel", "catalogue", "select", "pay", "report")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def programs(
    template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Roles]:
    async with running_programs(template, tmp_path_factory.mktemp("programs")) as running:
        yield running


class Killer:
    """Kills `program` once, at the first message after the customer has reached `step`."""

    def __init__(self, program: Program, step: str, moment: str) -> None:
        self._moment = moment
        self._program = program
        self._step = "acknowledge" if step == "report" else step
        self._reached = ""
        self.restarting: asyncio.Task[None] | None = None

    def observe(self, event: Event) -> None:
        if isinstance(event, StepReached):
            self._reached = event.step

    async def __call__(self, request: HttpMessage, forward: Forward) -> HttpMessage:
        if self._reached != self._step or self.restarting is not None:
            return await forward(request)
        if self._moment == "after":
            await forward(request)
        self._program.kill()
        self.restarting = asyncio.create_task(self._program.restart())
        raise Gone


async def attempt(shopper: Shopper, roles: Roles, name: str, out: Path) -> None:
    await shopper.account.login(name, PASSWORD)
    menu = await shopper.browse(roles.merchant_print)
    await shopper.buy(menu, product_of(menu, "june.txt"), out)


@pytest.mark.parametrize(("party", "step", "moment"), CASES)
async def test_gone_at_step(
    programs: Roles, tmp_path: Path, party: str, step: str, moment: str
) -> None:
    name = f"{party} {step} {moment}"
    await (await programs.customer(name)).aclose()
    before = await programs.balance(name)
    program = getattr(programs, party)
    killer = Killer(program, step, moment)
    # The exchange of a step that the merchant has no part in is the customer's.
    on_inside = step == "report" or (party == "merchant" and step in MERCHANT_STEPS)
    proxy = programs.inside if on_inside else programs.outside
    proxy.handler = killer
    try:
        shopper = await programs.connect(name, observe=killer.observe)
        await attempt(shopper, programs, name, tmp_path / "out")
    except VeilmartError as error:
        assert error.code and error.hint, repr(error)
        if await programs.balance(name) != before:
            assert error.money_now != NO_MONEY, error.explain()
    async with asyncio.timeout(10):
        while killer.restarting is None:
            await asyncio.sleep(0.02)
    await killer.restarting
    proxy.reset()

    again = await programs.connect(name)
    for order in to_sync(programs.wallet(name)):
        await again.recover(order)
    if not (tmp_path / "out").exists():
        await attempt(again, programs, name, tmp_path / "out")
    await programs.check_customer(name)
    await programs.check_books()
    (file,) = (tmp_path / "out").iterdir()
    assert file.read_bytes() == GOODS["june.txt"]


async def test_merchant_hears_of_every_sale_in_the_end(programs: Roles) -> None:
    await programs.merchant_hears_of_all()
