"""Ctrl-C before "y" leaves nothing; after it, the next start finishes or the money is back.

The customer's command is the real program on a terminal of its own; a proxy holds the exchange of
the step at which the key is pressed, so that the moment is always the same.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pexpect
import pytest
import pytest_asyncio

from tests.support.programs import environment, run_command
from tests.support.roles import CREDIT, GOODS, PRICE, Roles, Template, running_roles
from tests.support.screen import Screen
from tests.support.tampering_proxy import Forward, HttpMessage
from veilmart.customer.purchase.recovery_rules import to_sync
from veilmart.customer.wallet.orders import all_orders

pytestmark = pytest.mark.asyncio(loop_scope="module")

INTERRUPTED = 130
SECONDS = 30
# Which exchange of the command, counted from the "y", is held when the key is pressed.
HELD = {"pay": 1, "release": 2, "acknowledge": 3}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(
    template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Roles]:
    async with running_roles(template, tmp_path_factory.mktemp("market")) as running:
        yield running


def spawn(home: Path, out: Path) -> Screen:
    words = ("customer", "buy", "june.txt", "--home", str(home), "--out", str(out))
    return Screen(*words, env=environment(TERM="dumb"), timeout=SECONDS)


async def until(screen: Screen, text: str) -> None:
    await asyncio.to_thread(screen.expect, text)


async def ended(screen: Screen) -> str:
    """What it printed last; the exit code is that of an interrupted program."""
    await until(screen, pexpect.EOF)
    await asyncio.to_thread(screen.close)
    assert screen.exitstatus == INTERRUPTED, screen.before
    said = str(screen.before)
    assert "Traceback" not in said
    assert "Interrupted." in said and "error 1117" in said
    return said


async def buyer(market: Roles, name: str) -> Path:
    """A customer with money and the merchant's pin; the home is free for a command."""
    shopper = await market.customer(name)
    await shopper.browse(market.merchant_print)
    await shopper.aclose()
    return market.folder / name


async def test_ctrl_c_before_the_y_leaves_nothing(market: Roles, tmp_path: Path) -> None:
    home = await buyer(market, "hesitant")
    out = tmp_path / "out"
    screen = spawn(home, out)
    await until(screen, "Do you want to pay")
    screen.sendintr()
    await ended(screen)
    assert not out.exists()
    assert not await market.wallet("hesitant").database.run(all_orders)
    assert not list((home / "parcels").glob("*")) if (home / "parcels").exists() else True
    assert await market.balance("hesitant") == CREDIT
    assert set(await market.states()) <= {"offered"}
    assert "Nothing is unfinished." in await run_command("customer", "sync", "--home", str(home))
    await market.check_books()


@pytest.mark.parametrize(
    ("step", "answered"),
    [
        ("pay", False),
        ("pay", True),
        ("release", True),
        ("acknowledge", False),
        ("acknowledge", True),
    ],
)
async def test_ctrl_c_after_the_y(market: Roles, tmp_path: Path, step: str, answered: bool) -> None:
    name = f"{step}-{answered}"
    home = await buyer(market, name)
    out = tmp_path / "out"
    held, never = asyncio.Event(), asyncio.Event()
    after_yes = 0

    async def hold(request: HttpMessage, forward: Forward) -> HttpMessage:
        nonlocal after_yes
        after_yes += 1
        if after_yes < HELD[step]:
            return await forward(request)
        if answered:
            await forward(request)
        held.set()
        await never.wait()
        return request

    screen = spawn(home, out)
    await until(screen, "Do you want to pay")
    market.outside.handler = hold
    screen.sendline("y")
    async with asyncio.timeout(SECONDS):
        await held.wait()
    screen.sendintr()
    await ended(screen)
    market.outside.reset()
    assert not list(out.glob("*.part"))
    async with await market.connect(name) as shopper:
        for unfinished in to_sync(shopper.wallet):
            await shopper.recover(unfinished)
    (order,) = await market.wallet(name).database.run(all_orders)
    await market.check_customer(name)
    await market.check_books()
    if step == "pay" and not answered:
        assert order.state == "abandoned"
        assert await market.balance(name) == CREDIT
        assert not out.exists()
        return
    assert order.state == "done"
    assert await market.balance(name) == CREDIT - PRICE
    for file in out.iterdir():
        assert file.read_bytes() == GOODS["june.txt"]
    assert len(list(out.iterdir())) == 1, "one file, not a second copy of it"
