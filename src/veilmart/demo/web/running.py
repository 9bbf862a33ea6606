"""`veilmart demo --web`: a whole market in a temporary folder, and one page to watch it."""

import os
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from veilmart.customer.wallet.wallet import open_wallet
from veilmart.customer.web.desk import Desk
from veilmart.customer.web.open_shop import OpenShop, fetch_shop
from veilmart.demo.market import CREDIT, PASSWORDS, Stage, open_market
from veilmart.demo.processes import run_command
from veilmart.demo.stall import built_in_goods, folder_goods
from veilmart.demo.web.attacks import ATTACKS
from veilmart.demo.web.pages import live_plan
from veilmart.demo.web.watched_client import Gate, Watch
from veilmart.errors import BadLink
from veilmart.protocol.address import parse_link
from veilmart.storage.files.home import Home
from veilmart.terminal.clock import unix_now
from veilmart.terminal.console import Terminal
from veilmart.web.jobs import Jobs, Report
from veilmart.web.running import WebOptions, run_face

NAME = "maria"


async def run_live(
    products: Path | None,
    terminal: Terminal,
    options: WebOptions,
    *,
    step: bool,
    attack: str | None,
) -> None:
    """Until a signal comes; everything is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="veilmart-demo-") as name:
        folder = Path(name)
        goods = folder / "goods"
        goods.mkdir()
        sources = folder_goods(products) if products else built_in_goods(goods)
        async with AsyncExitStack() as stack:
            stage = await open_market(folder, sources, stack, terminal.say)
            await _open_account(stage)
            wallet = open_wallet(folder / NAME, unix_now, os.urandom)
            stack.callback(wallet.close)
            desk = Desk(wallet, folder / f"{NAME}-files")
            desk.out.mkdir()
            shop = await _open_shop(desk, stage)
            watch = Watch(Gate(step=step), None if attack is None else ATTACKS[attack]())
            plan = live_plan(desk, stage, watch, shop)
            await run_face(plan, Home(folder / "face"), terminal, options)


async def _open_account(stage: Stage) -> None:
    at_home = ("--home", str(stage.folder / NAME))
    secret = PASSWORDS[NAME] + "\n"
    await run_command("customer", "join", stage.link, "--yes", *at_home)
    await run_command("customer", "register", NAME, "--password-file", "-", *at_home, secret=secret)
    await run_command("broker", "credit", NAME, CREDIT, "--home", str(stage.broker_home))


async def _open_shop(desk: Desk, stage: Stage) -> OpenShop:
    """Fetched before anybody watches."""
    merchant = parse_link(stage.link).merchant
    if merchant is None:
        raise BadLink
    opened: list[OpenShop] = []

    async def work(report: Report) -> None:
        async with desk.visit(anonymous=True) as shopper:
            opened.append(await fetch_shop(shopper, merchant, report))

    job = Jobs().start("shop", "", work)
    if job.task is not None:
        await job.task
    if job.error is not None:
        raise job.error
    return opened[0]
