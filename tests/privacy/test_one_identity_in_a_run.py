"""One run serves one identity, in the pages too; and who uses two at once is told before."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Connection, update

from tests.privacy import lives
from tests.support.buyers import buyer, unspent
from tests.support.roles import PRICE, Roles, Template, running_roles
from veilmart.customer.cli.connect import mention_token_use
from veilmart.customer.cli.shop import buy
from veilmart.customer.cli.sync import sync as sync_command
from veilmart.customer.schema.token_tables import errands, seeded_wallet
from veilmart.customer.tokens.stocks import keep_stock, own_day
from veilmart.customer.wallet.account_use import (
    ACCOUNT_USED_LATELY,
    LATELY_SECONDS,
    TOKEN_USED_LATELY,
    account_used_lately,
    token_used_lately,
)
from veilmart.customer.wallet.seed import DAY_SECONDS
from veilmart.customer.web.desk import Desk
from veilmart.customer.web.syncing import sync
from veilmart.terminal.command import Common

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(
    template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Roles]:
    folder = tmp_path_factory.mktemp("market")
    async with running_roles(template, folder, streams=False) as running:
        yield running


class Told:
    """What a page's job says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, text: str) -> None:
        self.lines.append(text)

    line = step

    def leads_to(self, _path: str, _label: str) -> None:
        pass

    def __getattr__(self, _name: str) -> Any:
        return lambda *_arguments, **_options: None


@pytest.mark.parametrize("everything", [False, True])
async def test_a_run_of_the_pages_serves_one_order_unless_all_is_asked_for(
    market: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, everything: bool
) -> None:
    monkeypatch.setattr("veilmart.customer.library.errands.ERRAND_SPREAD_SECONDS", 1)
    _, wallet = await buyer(market, f"pages-{everything}", tokens=3)
    for number in range(3):
        await lives.held(market, wallet, tmp_path / str(number))
    told = Told()
    with lives.recorded() as seen:
        await sync(Desk(wallet, tmp_path), told, everything=everything)  # type: ignore[arg-type]
    assert [method for method, *_ in seen].count("OPEN") == (3 if everything else 1)
    assert any("at once" in line for line in told.lines) == everything


async def test_both_orders_of_account_and_token_are_noticed_for_an_hour(
    market: Roles, tmp_path: Path
) -> None:
    _, wallet = await buyer(market, "hasty", tokens=1)
    said: list[str] = []
    person: Any = SimpleNamespace(terminal=SimpleNamespace(say=said.append))
    assert wallet.database.run_now(account_used_lately, wallet.clock())
    assert not wallet.database.run_now(token_used_lately, wallet.clock())
    mention_token_use(wallet, person)
    assert said == []
    await lives.buy_anonymously(market, wallet, tmp_path)
    mention_token_use(wallet, person)
    assert tuple(said) == TOKEN_USED_LATELY
    later = wallet.clock() + LATELY_SECONDS + 1
    assert not wallet.database.run_now(token_used_lately, later)
    assert not wallet.database.run_now(account_used_lately, later)


def long_ago(connection: Connection) -> None:
    """The account's last use."""
    connection.execute(update(errands).where(errands.c.kind == "account used").values(due_at=0))


async def test_a_person_whose_account_was_just_here_is_told_before_a_token_pays(
    market: Roles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who tops up and buys anonymously right after: the command and the page say so."""
    _, wallet = await buyer(market, "topping-up", tokens=2)
    common = Common(home=market.folder / "topping-up")
    assert Desk(wallet, tmp_path).account_lately() == " ".join(ACCOUNT_USED_LATELY)

    async def bought(title: str) -> str:
        def run() -> int:
            return buy(title, anonymous=True, now=True, yes=True, out=tmp_path, common=common)

        assert await asyncio.to_thread(run) == 0
        said = capsys.readouterr()
        return said.out + said.err

    said = await bought("june.txt")
    assert all(line in said for line in ACCOUNT_USED_LATELY), said
    wallet.database.run_now(long_ago)
    assert ACCOUNT_USED_LATELY[0] not in await bought("july.txt")


@pytest.mark.parametrize("face", ["command", "pages"])
async def test_a_run_refills_the_stock_when_its_moment_has_come(
    market: Roles, tmp_path: Path, face: str
) -> None:
    _, wallet = await buyer(market, f"stocked-{face}", tokens=1)
    run, broker = wallet.database.run_now, market.opened.fingerprint
    now = wallet.clock()
    run(opens_at, (now - 60) % DAY_SECONDS)
    today, _ = own_day(now, (now - 60) % DAY_SECONDS)
    run(keep_stock, broker, PRICE, 2, today - 1)

    async def sync_once() -> None:
        if face == "pages":
            await sync(Desk(wallet, tmp_path), Told())  # type: ignore[arg-type]
        else:
            common = Common(home=market.folder / f"stocked-{face}")
            assert await asyncio.to_thread(sync_command, common=common) == 0

    await sync_once()
    assert unspent(market, wallet) == 1, "at a moment drawn within two hours"
    run(refill_at, now)
    await sync_once()
    assert unspent(market, wallet) == 3
    await sync_once()
    assert unspent(market, wallet) == 3, "once a day"


def opens_at(connection: Connection, second: int) -> None:
    connection.execute(update(seeded_wallet).values(refill_second=second))


def refill_at(connection: Connection, moment: int) -> None:
    connection.execute(update(errands).where(errands.c.kind == "refill").values(due_at=moment))
