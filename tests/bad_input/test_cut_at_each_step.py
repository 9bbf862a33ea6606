"""The stream (or the connection) is cut at each named step of a purchase, once at each of them.

Before the question has gone on, or when it has been answered and the answer is lost. The customer
does what people do: the same again, until the file is there. It is charged once.
"""

from pathlib import Path

import pytest

from tests.support.roles import GOODS, PASSWORD, Roles, product_of
from tests.support.tampering_proxy import Forward, Gone, HttpMessage
from tests.support.waiting import until
from veilmart.customer.events import Event, StepReached
from veilmart.customer.purchase.recovery_rules import to_sync
from veilmart.errors import VeilmartError
from veilmart.protocol.purchase_steps import PURCHASE_STEPS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("impatient")]

ATTEMPTS_MAX = 3 * len(PURCHASE_STEPS)
# A customer asks its broker in every step but the last, which is between broker and merchant.
OF = {
    "outside": frozenset(PURCHASE_STEPS) - {"report"},
    "inside": frozenset({"descriptor", "tunnel", "catalogue", "select", "report"}),
}


class Cutter:
    """Cuts one link once at each of `steps`. cut: where it has done so."""

    def __init__(self, steps: frozenset[str], moment: str) -> None:
        self.cut: list[str] = []
        self._steps = steps
        self._moment = moment
        self._step = ""

    def observe(self, event: Event) -> None:
        if isinstance(event, StepReached):
            self._step = event.step

    async def __call__(self, request: HttpMessage, forward: Forward) -> HttpMessage:
        step = self._step
        if step == "acknowledge" and "report" in self._steps:
            step = "report"
        if step not in self._steps or step in self.cut:
            return await forward(request)
        self.cut.append(step)
        if self._moment == "after":
            await forward(request)
        raise Gone


async def attempt(roles: Roles, name: str, cutter: Cutter, out: Path) -> None:
    shopper = await roles.connect(name, observe=cutter.observe)
    try:
        await shopper.account.login(name, PASSWORD)
        for order in to_sync(roles.wallet(name)):
            await shopper.recover(order)
        if not out.exists():
            menu = await shopper.browse(roles.merchant_print)
            await shopper.buy(menu, product_of(menu, "june.txt"), out)
    finally:
        await shopper.aclose()


@pytest.mark.parametrize("link", list(OF))
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_cut_once_at_each_step(shared: Roles, tmp_path: Path, link: str, moment: str) -> None:
    name, out = f"{link} {moment}", tmp_path / "out"
    await (await shared.customer(name)).aclose()
    cutter = Cutter(OF[link], moment)
    proxy = getattr(shared, link)
    proxy.handler = cutter
    failed = 0
    try:
        while not out.exists() or to_sync(shared.wallet(name)):
            try:
                await attempt(shared, name, cutter, out)
            except VeilmartError as error:
                assert error.code and error.hint, repr(error)
                failed += 1
                assert failed < ATTEMPTS_MAX, error.explain()
        # A small parcel may come with another step's answer, so that nothing is asked in its own.
        await until(lambda: set(cutter.cut) >= OF[link] - {"segment"})
    finally:
        proxy.reset()
    (file,) = out.iterdir()
    assert file.read_bytes() == GOODS["june.txt"]
    await shared.merchant_hears_of_all()
    await shared.check_customer(name)
    await shared.check_books()
